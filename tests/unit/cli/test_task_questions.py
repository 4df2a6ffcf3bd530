"""What `mcptasks answer` asks, and what it writes down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

import pytest

from mcptasks.cli.cluster_choice import ClusterChoice
from mcptasks.cli.cluster_session import ClusterSession, TaskPlace
from mcptasks.cli.command_errors import CliError
from mcptasks.cli.commands.answer import TaskAnswering
from mcptasks.cli.task_questions import DECLINED, answer_of, elicitation_of, questions_of
from mcptasks.client import Elicitation, Reply
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import ConflictError
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.exit_codes import ExitCode
from mcptasks.model.task import InputRequest, McpTask
from tests.unit.cli.top_objects import asking, ended, running

SCHEMA = {"properties": {"delete": {"type": "boolean"}}, "required": ["delete"]}


def elicitation(**params: object) -> InputRequest:
    return InputRequest(key="k", method="elicitation/create", params_text=json.dumps(params), message="Delete it?")


def asks() -> McpTask:
    """A task with two open questions and one that is answered."""
    item = asking("a", "first?", "second?", "third?")
    item["status"]["inputRequests"][0]["responseText"] = "{}"
    return parse_task(item)


def test_open_questions_are_asked_or_the_one_that_is_named() -> None:
    assert [request.key for request in questions_of(asks(), None)] == ["1", "2"]
    assert [request.key for request in questions_of(asks(), "2")] == ["2"]


def test_a_question_that_is_not_open_is_refused_with_those_that_are() -> None:
    with pytest.raises(CliError, match="'0' that waits for an answer; it has: 1, 2") as raised:
        questions_of(asks(), "0")
    assert raised.value.exit_code is ExitCode.USAGE


def test_a_task_that_asks_nothing_says_how_it_is() -> None:
    with pytest.raises(CliError, match="task a asks nothing: it is working"):
        questions_of(parse_task(running("a")), None)
    with pytest.raises(CliError, match=r"it has ended \(completed\)"):
        questions_of(parse_task(ended("a")), None)


def test_a_form_and_a_page_become_questions_to_the_user() -> None:
    assert elicitation_of("a", elicitation(requestedSchema=SCHEMA)) == Elicitation("Delete it?", SCHEMA, task_id="a")
    page = elicitation_of("a", elicitation(mode="url", url="https://example.org/sign"))
    assert page == Elicitation("Delete it?", url="https://example.org/sign", task_id="a")


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"requestedSchema": 3}'])
def test_params_that_make_no_sense_are_a_question_without_fields(text: str) -> None:
    request = InputRequest(key="k", method="elicitation/create", params_text=text, message="Sure?")
    assert elicitation_of("a", request) == Elicitation("Sure?", task_id="a")


def test_what_only_a_program_can_answer_is_refused() -> None:
    with pytest.raises(CliError, match="asks for sampling/createMessage, which its MCP client has to answer"):
        elicitation_of("a", InputRequest(key="k", method="sampling/createMessage"))


def test_answers_are_what_the_protocol_says() -> None:
    form, page = Elicitation("?", SCHEMA), Elicitation("?", url="https://example.org")
    assert json.loads(answer_of(form, Reply("accept", {"delete": True})).text or "") == {
        "action": "accept",
        "content": {"delete": True},
    }
    assert json.loads(answer_of(page, Reply("accept")).text or "") == {"action": "accept"}
    assert json.loads(answer_of(form, DECLINED).text or "") == {"action": "decline"}


def test_an_answer_that_does_not_fit_is_never_written() -> None:
    with pytest.raises(CliError, match="does not fit the question"):
        answer_of(Elicitation("?", SCHEMA), Reply("accept", {"delete": "perhaps"}))


@dataclass
class MemoryKube:
    """Stands in for the client, with a task that has changed since it was read."""

    item: JsonObject

    async def get(self, *_: object) -> JsonObject:
        return self.item

    async def patch(self, *_: object, **__: object) -> JsonObject:
        raise ConflictError(409, "Conflict", "the object has been modified")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [
        (ended("a", "cancelled", "CancelledByCaller"), "it has ended .cancelled."),
        (running("a"), "it does not ask that any more"),
    ],
)
async def test_an_answer_that_nobody_wants_any_more_is_an_error(meanwhile: JsonObject, why: str) -> None:
    known = {"uid": "u", "namespace": "team", "resourceVersion": "1"}
    meanwhile["metadata"] |= known
    kube = MemoryKube(meanwhile)
    session = ClusterSession(cast(KubeClient, kube), "team", cast(ClusterChoice, None))
    item = asking("a", "first?")
    item["metadata"] |= known
    answering = TaskAnswering(TaskPlace(session, "a"), None)
    question = elicitation_of("a", questions_of(parse_task(item), None)[0])
    with pytest.raises(CliError, match=f"task a has not taken the answer: {why}"):
        await answering.write(item, "0", answer_of(question, DECLINED))
