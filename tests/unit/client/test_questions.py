"""What servers ask in the middle of a call, in both protocol versions."""

from __future__ import annotations

import asyncio
import threading

import httpx2
import pytest

from mcptasks.client import (
    Client,
    Elicitation,
    InputRequiredError,
    McpError,
    Reply,
)
from mcptasks.client.client_errors import HttpRefusedError
from mcptasks.client.protocol.streamable_http import HttpTransport
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from tests.unit.client.fake_server import NEW, OLD, TASK_ID, FakeServer, HttpFault, RpcFault

pytestmark = pytest.mark.anyio

SECONDS = 20

QUESTION: JsonObject = {
    "mode": "form",
    "message": "Delete it?",
    "requestedSchema": {"type": "object", "properties": {"sure": {"type": "boolean"}}},
}


async def test_a_question_of_a_task_is_answered_once(server: FakeServer) -> None:
    server.questions = {"k1": QUESTION}
    server.statuses = ["input_required"] if server.version == OLD else ["completed"]
    asked: list[Elicitation] = []

    async def answer(question: Elicitation) -> JsonObject:
        asked.append(question)
        return {"sure": True}

    async with Client(server.url, on_elicitation=answer) as client:
        assert (await client.call_tool("work")).text == "done"
    assert [(question.message, question.task_id) for question in asked] == [("Delete it?", TASK_ID)]
    assert server.answers["k1"]["action"] == "accept"
    assert server.answers["k1"]["content"] == {"sure": True}


async def test_a_handler_may_block_and_decline(server: FakeServer) -> None:
    server.questions = {"k1": QUESTION}
    server.statuses = ["input_required"] if server.version == OLD else ["completed"]
    threads: list[threading.Thread] = []

    def answer(_question: Elicitation) -> Reply:
        threads.append(threading.current_thread())
        return Reply("decline")

    async with Client(server.url, on_elicitation=answer) as client:
        await client.call_tool("work")
    assert server.answers["k1"]["action"] == "decline"
    assert threads != [threading.main_thread()]


async def test_who_only_polls_is_asked_as_well(new: FakeServer) -> None:
    new.questions = {"k1": QUESTION}
    new.statuses = ["completed"]
    async with Client(new.url, on_elicitation=lambda _: {"sure": False}) as client:
        task = await client.call_tool("work", task=True)
        async with asyncio.timeout(SECONDS):
            while (await task.status()).status is not Phase.COMPLETED:  # noqa: ASYNC110 (polling is the point)
                await asyncio.sleep(0.02)
    assert new.answers["k1"]["content"] == {"sure": False}


async def test_an_answer_that_gets_lost_is_sent_again_without_asking_again(new: FakeServer) -> None:
    new.questions = {"k1": QUESTION}
    new.statuses = ["completed"]
    new.faults["tasks/update"] = [HttpFault(503)]
    asked: list[Elicitation] = []

    def answer(question: Elicitation) -> JsonObject:
        asked.append(question)
        return {"sure": True}

    async with Client(new.url, on_elicitation=answer) as client:
        await client.call_tool("work")
    assert len(asked) == 1
    assert new.methods().count("tasks/update") == 2


async def test_an_answer_that_the_older_server_cannot_store_is_sent_again_without_asking_again(old: FakeServer) -> None:
    old.questions = {"k1": QUESTION}
    old.statuses = ["input_required"]
    old.faults["response"] = [RpcFault(-32603, "Try again.", status=503), HttpFault(502)]
    asked: list[Elicitation] = []

    def answer(question: Elicitation) -> JsonObject:
        asked.append(question)
        return {"sure": True}

    async with Client(old.url, on_elicitation=answer) as client:
        await client.call_tool("work")
    assert len(asked) == 1
    assert not old.faults["response"]
    assert old.answers["k1"]["content"] == {"sure": True}


async def test_an_answer_that_is_refused_fails_the_wait_and_the_next_one_is_asked_anew(server: FakeServer) -> None:
    server.questions = {"k1": QUESTION}
    server.statuses = ["input_required"]
    method = "tasks/update" if server.version == NEW else "response"
    server.faults[method] = [RpcFault(-32602, "sure: must be true or false", status=400)]
    replies: list[JsonObject] = [{"sure": "perhaps"}, {"sure": True}]
    async with Client(server.url, on_elicitation=lambda _: replies.pop(0)) as client:
        task = await client.call_tool("work", task=True)
        async with asyncio.timeout(SECONDS):
            with pytest.raises(McpError, match="true or false"):
                await task.result()
            server.statuses = ["completed"] if server.version == NEW else ["input_required"]
            assert (await task.result()).text == "done"
    assert server.answers["k1"]["content"] == {"sure": True}


async def test_a_server_without_a_stream_of_its_own_is_not_asked_for_one_again(old: FakeServer) -> None:
    async with httpx2.AsyncClient() as http:
        with pytest.raises(HttpRefusedError, match="HTTP 405"):
            await HttpTransport(old.url, http).listen({}, nobody_listens)


async def nobody_listens(message: JsonObject) -> None:
    raise AssertionError(f"nothing was to come: {message}")


async def test_a_handler_that_fails_fails_the_wait(server: FakeServer) -> None:
    server.questions = {"k1": QUESTION}
    server.statuses = ["input_required"]

    async def answer(_question: Elicitation) -> JsonObject:
        raise LookupError("nobody is here")

    async with Client(server.url, on_elicitation=answer) as client:
        with pytest.raises(LookupError, match="nobody is here"):
            await client.call_tool("work")


async def test_a_question_that_nobody_can_answer_is_an_error(new: FakeServer) -> None:
    new.questions = {"k1": QUESTION}
    async with Client(new.url) as client:
        with pytest.raises(InputRequiredError, match=r"Delete it\?; give the client `on_elicitation`"):
            await client.call_tool("work")


async def test_a_call_may_ask_before_it_starts(new: FakeServer) -> None:
    new.questions = {"k1": QUESTION}
    async with Client(new.url, on_elicitation=lambda _: {"sure": True}) as client:
        assert (await client.call_tool("quick")).text == "done"
    params = new.last("tools/call").params
    assert params["inputResponses"] == {"k1": {"action": "accept", "content": {"sure": True}}}
    assert params["requestState"] == "sealed"


async def test_the_server_is_told_whether_there_is_somebody_to_ask(server: FakeServer) -> None:
    async with Client(server.url):
        pass
    async with Client(server.url, on_elicitation=lambda _: {}):
        pass
    first, second = (
        request.params.get("capabilities") or request.meta.get("io.modelcontextprotocol/clientCapabilities") or {}
        for request in server.received
        if request.method == ("initialize" if server.version == OLD else "server/discover")
    )
    assert "elicitation" not in first
    assert "elicitation" in second
