"""What a task asks, as the command line asks it, and the answer as the task keeps it. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.client import Elicitation, Reply
from mcptasks.model.elicitation_form import misfit
from mcptasks.model.questions import ELICIT, Answer, outstanding
from mcptasks.model.task import InputRequest, McpTask

DECLINED = Reply("decline")


def questions_of(task: McpTask, key: str | None) -> Sequence[InputRequest]:
    """The questions that wait for an answer, or the one of the key. Raises CliError where there is none."""
    found = outstanding(task)
    if not found:
        state = f"has ended ({task.phase})" if task.terminal else f"is {task.phase}"
        raise CliError(f"task {task.name} asks nothing: it {state}")
    if key is None:
        return found
    wanted = [request for request in found if request.key == key]
    if not wanted:
        keys = ", ".join(request.key for request in found)
        raise usage_error(f"task {task.name} has no question {key!r} that waits for an answer; it has: {keys}")
    return wanted


def elicitation_of(task: str, request: InputRequest) -> Elicitation:
    """The question to a user. Raises CliError for one that only a program can answer, such as for a model's words."""
    params = _params(request)
    if request.method != ELICIT:
        raise CliError(f"task {task} asks for {request.method}, which its MCP client has to answer")
    message = request.message or str(params.get("message") or "")
    if params.get("mode") == "url":
        return Elicitation(message, url=str(params.get("url") or ""), task_id=task)
    schema = params.get("requestedSchema")
    return Elicitation(message, schema if isinstance(schema, dict) else {}, task_id=task)


def _params(request: InputRequest) -> dict[str, object]:
    try:
        params = json.loads(request.params_text)
    except (ValueError, RecursionError):
        return {}
    return params if isinstance(params, dict) else {}


def answer_of(question: Elicitation, reply: Reply) -> Answer:
    """The answer as the task keeps it. Raises CliError where it does not fit the question."""
    if reply.action != "accept":
        return Answer(json.dumps({"action": reply.action}))
    if question.url is not None:
        return Answer(json.dumps({"action": "accept"}))
    content = reply.content or {}
    wrong = misfit(question.schema, content)
    if wrong is not None:
        raise usage_error(f"the answer does not fit the question: {wrong}")
    return Answer(json.dumps({"action": "accept", "content": content}, ensure_ascii=False))
