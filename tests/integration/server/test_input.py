"""A task that asks, and clients of 2025-11-25: two replicas, a real worker, whatever replica is spoken to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from mcptasks.cli.worker_option import workers_can_run
from mcptasks.client import Client, Elicitation, Reply
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.model.base import JsonObject
from tests.support.mcp import RawClient, Stream

ABLE: JsonObject = {"elicitation": {}}


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(
        StackConfig(str(Path(__file__).with_name("question_tools.py")), servers=2, warm=workers_can_run())
    ) as running:
        yield running


def create(client: RawClient, **headers: str) -> str:
    call = {"name": "ask", "arguments": {}, "task": {}}
    return str(client.old("tools/call", call, **headers).result["task"]["taskId"])


def question(messages: Stream) -> JsonObject:
    """The next request of the server's."""
    return next(message for message in messages if "id" in message and "method" in message)


def accept(word: str) -> JsonObject:
    return {"result": {"action": "accept", "content": {"word": word}}}


def test_a_question_of_one_replica_is_answered_to_the_other(one: RawClient, two: RawClient) -> None:
    able = one.hello(ABLE)
    task_id = create(two, **able)
    with one.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
        first = question(messages)
        assert first["params"]["message"] == "First?"
        assert two.respond(first["id"], {"result": {"action": "decline"}}, **able).status_code == 202
        second = question(messages)
        assert second["params"]["message"] == "Second?"
        assert two.respond(second["id"], accept("tea"), **able).status_code == 202
        *_, final = messages
    assert final["result"]["content"][0]["text"] == "decline tea"


def test_a_client_that_comes_back_at_the_other_replica_is_asked_again_and_goes_on(
    one: RawClient, two: RawClient
) -> None:
    able = one.hello(ABLE)
    task_id = create(one, **able)
    with one.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
        asked = question(messages)
    with two.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
        assert question(messages) == asked
        one.respond(asked["id"], {"result": {"action": "cancel"}}, **able)
        # The same answer once more, and another one: neither is one to the second question.
        two.respond(asked["id"], {"result": {"action": "decline"}}, **able)
        second = question(messages)
        assert second["id"] != asked["id"]
        one.respond(second["id"], accept("milk"), **able)
        *_, final = messages
    assert final["result"]["content"][0]["text"] == "cancel milk"


def test_an_error_of_the_client_ends_the_question(one: RawClient) -> None:
    able = one.hello(ABLE)
    task_id = create(one, **able)
    with one.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
        one.respond(question(messages)["id"], {"error": {"code": -32099, "message": "nobody is here"}}, **able)
        *_, final = messages
    assert "nobody is here" in str(final)
    assert one.get(task_id)["status"] == "failed"


def test_a_tool_is_told_at_once_that_its_client_cannot_be_asked(one: RawClient) -> None:
    task_id = create(one, **one.hello({}))
    assert "did not declare elicitation" in one.wait(task_id)["statusMessage"]


@pytest.mark.anyio
async def test_the_client_of_this_project_answers_in_the_older_version_as_well(stack: LocalStack) -> None:
    asked: list[Elicitation] = []

    async def answer(question: Elicitation) -> Reply | JsonObject:
        asked.append(question)
        return Reply("decline") if len(asked) == 1 else {"word": "juice"}

    async with Client(stack.endpoint_of("server"), protocol="2025-11-25", on_elicitation=answer) as client:
        task = await client.call_tool("ask", task=True)
        assert (await task.result(timeout=90)).text == "decline juice"
    assert [(question.message, question.task_id) for question in asked] == [
        ("First?", task.task_id),
        ("Second?", task.task_id),
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_tool_asks_by_way_of_its_dependencies(
    stack: LocalStack, version: Literal["2025-11-25", "2026-07-28"]
) -> None:
    def answer(_question: Elicitation) -> JsonObject:
        return {"word": "water"}

    async with Client(stack.endpoint_of("server"), protocol=version, on_elicitation=answer) as client:
        task = await client.call_tool("ask_by_dependency", task=True)
        assert (await task.result(timeout=90)).text == "water accept"
