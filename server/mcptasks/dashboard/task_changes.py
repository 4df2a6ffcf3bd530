"""What a viewer can change: cancel a task, run it again, answer what it asks. All but the acts is pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mcptasks.dashboard.schema_forms import Form, SchemaField, fields_of, read_form
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import TaskClient
from mcptasks.model import names
from mcptasks.model.base import API_VERSION, LABEL_COMPONENT, LABEL_SERVER, JsonObject
from mcptasks.model.elicitation_form import misfit
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.questions import ELICIT, Answer, answered
from mcptasks.model.task import InputRequest

KEPT_OF_SPEC = (
    "server",
    "component",
    "arguments",
    "argumentsText",
    "templateRef",
    "ttlMs",
    "timeoutSeconds",
    "inputTimeoutSeconds",
    "retries",
    "idempotent",
    "maxConcurrent",
    "pollIntervalMs",
)
"""Not whose call it was: only the server may say who has called."""

KEPT_OF_REQUEST = ("protocolVersion", "inputResponses", "requestState", "clientCapabilities")


def repeated(item: JsonObject, name: str) -> JsonObject:
    """The object of a new task that runs the same once more, as somebody with kubectl would make it."""
    spec = {key: item["spec"][key] for key in KEPT_OF_SPEC if key in item["spec"]}
    request = item["spec"].get("request") or {}
    if kept := {key: request[key] for key in KEPT_OF_REQUEST if key in request}:
        spec["request"] = kept
    labels = item["metadata"].get("labels") or {}
    return {
        "apiVersion": API_VERSION,
        "kind": "McpTask",
        "metadata": {
            "name": name,
            "namespace": item["metadata"]["namespace"],
            "labels": {key: labels[key] for key in (LABEL_SERVER, LABEL_COMPONENT) if key in labels},
        },
        "spec": spec,
    }


@dataclass(frozen=True)
class QuestionView:
    """A question of a running tool, as a form."""

    key: str
    message: str
    fields: Sequence[SchemaField]
    schema: Mapping[str, Any]
    url: str = ""
    is_form: bool = True
    problems: Mapping[str, str] | None = None
    given: Form | None = None


def question_view(request: InputRequest) -> QuestionView:
    """The form of a question. What is no elicitation is answered with JSON."""
    try:
        params = json.loads(request.params_text)
    except (ValueError, RecursionError):
        params = {}
    params = params if isinstance(params, dict) else {}
    message = request.message or str(params.get("message") or request.method)
    if request.method != ELICIT:
        return QuestionView(request.key, message, [RAW_ANSWER], {}, is_form=False)
    if params.get("mode") == "url":
        return QuestionView(request.key, message, [], {}, url=str(params.get("url") or ""))
    schema = params.get("requestedSchema")
    schema = schema if isinstance(schema, dict) else {}
    return QuestionView(request.key, message, fields_of(schema), schema)


RAW_ANSWER = SchemaField("answer", "json", "Answer", "The result of the request, as JSON.", required=True)


class UnfitAnswerError(ValueError):
    """What was filled in does not answer the question; `problems` says what is wrong, by field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = problems


def answer_of(question: QuestionView, action: str, form: Form) -> Answer:
    """The answer that a form gives. Raises UnfitAnswerError."""
    if not question.is_form:
        filled = read_form(question.fields, form)
        if filled.problems:
            raise UnfitAnswerError(filled.problems)
        return Answer(json.dumps(filled.value["answer"], ensure_ascii=False))
    if action != "accept":
        return Answer(json.dumps({"action": "decline"}))
    if question.url:
        return Answer(json.dumps({"action": "accept"}))
    filled = read_form(question.fields, form)
    problems = dict(filled.problems)
    if not problems and (found := misfit(question.schema, filled.value)) is not None:
        name, _, problem = found.partition(": ")
        problems[name] = problem or found
    if problems:
        raise UnfitAnswerError(problems)
    return Answer(json.dumps({"action": "accept", "content": filled.value}, ensure_ascii=False))


@dataclass(frozen=True)
class ViewerChanges:
    """Writes them. Whether the viewer may has been asked before."""

    kube: KubeClient

    async def cancel(self, namespace: str, name: str, uid: str) -> None:
        """Ask for the task's end. Raises NotFoundError, ConflictError where the name is another task's by now."""
        await self.kube.patch(MCP_TASKS, name, {"metadata": {"uid": uid}, "spec": {"cancel": True}}, namespace)

    async def run_again(self, item: JsonObject) -> str:
        """Make a task that does the same; gives its name. Raises InvalidError, ForbiddenError."""
        name = names.task_name(str(item["spec"]["component"]["name"]))
        await self.kube.create(MCP_TASKS, repeated(item, name), item["metadata"]["namespace"])
        return name

    async def answer(self, item: JsonObject, key: str, answer: Answer) -> None:
        """Put the answer down, unless the question has one. Raises NotFoundError, ConflictError."""
        await TaskClient(self.kube).update_status(item, partial(answered, given={key: answer}, now=utc_now()))
