"""Handles of tasks: waiting, callbacks, questions, notifications, other kinds than tools, the synchronous client."""

from __future__ import annotations

import asyncio
import threading

import httpx2
import pytest

from mcptasks.client import (
    Client,
    ClientError,
    Elicitation,
    InputRequiredError,
    McpError,
    PromptTask,
    Reply,
    SyncClient,
    TaskState,
    ToolError,
)
from mcptasks.client.client_errors import HttpRefusedError
from mcptasks.client.protocol.streamable_http import HttpTransport
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from mcptasks.protocol.versions import IDEMPOTENCY_META as KEY
from tests.unit.client.fake_server import NEW, OLD, RESULT, TASK_ID, FakeServer, HttpFault, RpcFault

pytestmark = pytest.mark.anyio

MINUTE_MS = 60_000
SECONDS = 20
QUESTION: JsonObject = {
    "mode": "form",
    "message": "Delete it?",
    "requestedSchema": {"type": "object", "properties": {"sure": {"type": "boolean"}}},
}
MESSAGES: JsonObject = {"messages": [{"role": "user", "content": {"type": "text", "text": "hello"}}]}
CONTENTS: JsonObject = {"contents": [{"uri": "a://b", "text": "hi"}, {"uri": "a://c", "blob": "AAE="}]}


# --- questions ------------------------------------------------------------------------------------------------------


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


# --- notifications --------------------------------------------------------------------------------------------------


async def test_what_the_server_tells_needs_no_polling(server: FakeServer) -> None:
    server.poll_ms = MINUTE_MS
    server.statuses = ["working"]
    server.tells = ["working", "completed"]
    async with Client(server.url) as client, asyncio.timeout(SECONDS):
        assert (await client.call_tool("work")).text == "done"
    assert server.methods().count("tasks/get") <= 3


async def test_a_client_that_has_too_many_subscriptions_asks_for_one_again_later(new: FakeServer) -> None:
    new.poll_ms = MINUTE_MS
    new.statuses = ["working"]
    new.tells = ["working", "completed"]
    new.faults["subscriptions/listen"] = [RpcFault(-32603, "You have 1 subscriptions open here")]
    async with Client(new.url) as client, asyncio.timeout(SECONDS):
        assert (await client.call_tool("work")).text == "done"
    assert new.methods().count("subscriptions/listen") == 2


async def test_a_server_without_notifications_is_not_asked_for_them_twice(new: FakeServer) -> None:
    async with Client(new.url) as client:
        await client.call_tool("work")
        new.statuses = ["working", "completed"]
        await client.resume("another").wait()
    assert new.methods().count("subscriptions/listen") == 1


# --- handles --------------------------------------------------------------------------------------------------------


async def test_callbacks_see_every_change_and_disturb_nobody(server: FakeServer) -> None:
    server.statuses = ["working", "input_required", "working", "completed"]
    seen: list[Phase] = []
    results: list[str] = []

    def broken(_state: TaskState) -> None:
        raise ValueError("in a callback")

    async with Client(server.url) as client:
        task = await client.call_tool("work", task=True)

        async def at_the_end(state: TaskState) -> None:
            if state.status is Phase.COMPLETED:
                results.append((await task).text)

        task.on_status_change(broken)
        task.on_status_change(lambda state: seen.append(state.status))
        task.on_status_change(at_the_end)
        await task.wait()
    assert seen == [Phase.INPUT_REQUIRED, Phase.WORKING, Phase.COMPLETED]
    assert results == ["done"]


async def test_a_callback_can_be_taken_back(server: FakeServer) -> None:
    server.statuses = ["working"]
    seen: list[TaskState] = []
    async with Client(server.url) as client:
        task = await client.call_tool("work", task=True)
        task.on_status_change(seen.append)()
        server.statuses = ["completed"]
        await task.wait()
    assert not seen


async def test_one_can_wait_for_a_state(server: FakeServer) -> None:
    server.statuses = ["working", "input_required"]
    async with Client(server.url) as client:
        task = await client.call_tool("work", task=True)
        assert (await task.wait("input_required", timeout=SECONDS)).status is Phase.INPUT_REQUIRED


async def test_many_waiters_ask_once(server: FakeServer) -> None:
    server.statuses = ["working", "working", "completed"]
    async with Client(server.url) as client:
        task = await client.call_tool("work", task=True)
        same = client.resume(TASK_ID)
        results = await asyncio.gather(task.result(), task.result(), same.result(), same.wait())
        assert results[0] is results[1]
    assert server.methods().count("tasks/get") <= 4


async def test_a_result_can_be_read_after_the_client_was_closed(server: FakeServer) -> None:
    async with Client(server.url) as client:
        task = await client.call_tool("work", task=True)
        await task
    assert (await task).text == "done"
    with pytest.raises(ClientError, match="async with"):
        await task.status()


async def test_closing_the_client_ends_a_wait_with_a_reason(server: FakeServer) -> None:
    server.statuses = ["working"]
    async with Client(server.url) as client:
        waiting = asyncio.create_task(client.resume(TASK_ID).wait())
        await asyncio.sleep(0.1)
    with pytest.raises(ClientError, match="closed while somebody waited"):
        await waiting


async def test_giving_up_a_hidden_call_cancels_its_task(server: FakeServer) -> None:
    server.statuses = ["working"]
    async with Client(server.url) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.call_tool("work")
    assert server.last("tasks/cancel").params["taskId"] == TASK_ID


async def test_giving_up_a_call_with_a_key_leaves_its_task_to_the_call_that_repeats_it(server: FakeServer) -> None:
    server.statuses = ["working"]
    async with Client(server.url) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.call_tool("work", idempotency_key="nightly")
    assert server.last("tools/call").meta[KEY] == "nightly"
    assert "tasks/cancel" not in server.methods()


async def test_every_kind_of_call_takes_an_idempotency_key(server: FakeServer) -> None:
    server.result = {**RESULT, **MESSAGES, **CONTENTS}
    async with Client(server.url) as client:
        await client.call_tool("quick", idempotency_key="a", on_progress=print)
        await client.get_prompt("hello", idempotency_key="b")
        await client.read_resource("a://b", idempotency_key="c")
        await client.call_tool("quick")
    methods = ("tools/call", "prompts/get", "resources/read", "tools/call")
    sent = [request for request in server.received if request.method in methods]
    assert [(request.method, request.meta.get(KEY)) for request in sent] == list(
        zip(methods, ("a", "b", "c", None), strict=True)
    )
    assert sent[0].meta["progressToken"]


async def test_an_option_that_does_not_exist_is_refused(server: FakeServer) -> None:
    async with Client(server.url) as client:
        with pytest.raises(TypeError, match="tll"):
            await client.call_tool("quick", tll=5)  # type: ignore[call-overload]


async def test_a_call_that_a_draining_server_has_not_begun_is_repeated(server: FakeServer) -> None:
    draining = RpcFault(-32603, "shutting down", {"reason": "Draining"})
    async with Client(server.url) as client:
        server.faults["tools/call"] = [draining]
        assert (await client.call_tool("work")).text == "done"
    assert server.methods().count("tools/call") == 2


async def test_a_call_that_may_have_begun_is_not_repeated(server: FakeServer) -> None:
    async with Client(server.url) as client:
        server.faults["tools/call"] = [RpcFault(-32603, "internal error")]
        with pytest.raises(McpError, match="internal error"):
            await client.call_tool("work")
    assert server.methods().count("tools/call") == 1


async def test_a_tool_error_can_be_raised(server: FakeServer) -> None:
    server.result = {"content": [{"type": "text", "text": "no disk"}], "isError": True}
    async with Client(server.url) as client:
        with pytest.raises(ToolError, match="no disk"):
            await client.call_tool("work", raise_on_error=True)


@pytest.mark.parametrize(("structured", "data"), [({"result": 3}, 3), ({"a": 1}, {"a": 1}), (None, None)])
async def test_data_is_what_the_tool_returned(server: FakeServer, structured: object, data: object) -> None:
    server.result = {"content": [], "structuredContent": structured}
    async with Client(server.url) as client:
        assert (await client.call_tool("work")).data == data


# --- prompts, resources, lists --------------------------------------------------------------------------------------


async def test_a_prompt_is_a_task_where_the_server_offers_that(server: FakeServer) -> None:
    server.result = MESSAGES
    async with Client(server.url) as client:
        task = await client.get_prompt("hello", {"n": 3, "who": "you"}, task=True)
        assert task.returned_immediately == (server.version == NEW)
        assert (await task).text == "hello"
    assert server.last("prompts/get").params["arguments"] == {"n": "3", "who": "you"}


async def test_a_resource_is_a_task_where_the_server_offers_that(server: FakeServer) -> None:
    server.result = CONTENTS
    async with Client(server.url) as client:
        task = await client.read_resource("a://b", task=True)
        assert task.returned_immediately == (server.version == NEW)
        result = await task
    assert result.text == "hi"
    assert result.data == b"hi\x00\x01"


@pytest.mark.parametrize("task", [False, True])
async def test_a_prompt_that_refuses_the_one_way_is_asked_the_other(old: FakeServer, task: bool) -> None:
    old.result = MESSAGES
    old.faults["prompts/get"] = [RpcFault(-32601, "not like this")]
    async with Client(old.url) as client:
        result = await (await client.get_prompt("hello", task=True)) if task else await client.get_prompt("hello")
    assert result.text == "hello"
    assert ("task" in old.last("prompts/get").params) != task


async def test_a_resumed_task_of_another_kind_says_which(old: FakeServer) -> None:
    old.result = MESSAGES
    async with Client(old.url) as client:
        with pytest.raises(ClientError, match="resume it as PromptTask"):
            await client.resume(TASK_ID)
        assert (await client.resume(TASK_ID, PromptTask)).text == "hello"


async def test_tasks_are_listed_by_the_server_or_from_memory(server: FakeServer) -> None:
    async with Client(server.url) as client:
        await client.call_tool("work", task=True)
        assert [state.task_id for state in await client.list_tasks()] == [TASK_ID]
        if server.version == NEW:
            server.faults["tasks/get"] = [RpcFault(-32602, "not found")]
            assert await client.list_tasks() == []


# --- without an event loop ------------------------------------------------------------------------------------------


def test_the_synchronous_client_needs_no_event_loop(server: FakeServer) -> None:
    server.statuses = ["working", "working", "completed"]
    seen: list[Phase] = []
    with SyncClient(server.url) as client:
        task = client.call_tool("work", {"top": 1}, task=True)
        task.on_status_change(lambda state: seen.append(state.status))
        assert task.wait(timeout=SECONDS).status is Phase.COMPLETED
        assert task.result().text == "done"
        assert client.resume(task.task_id).result().text == "done"
        assert client.call_tool("quick", idempotency_key="key").text == "done"
        assert client.list_tools()
    assert seen == [Phase.COMPLETED]
    assert server.last("tools/call").meta[KEY] == "key"


def test_a_closed_synchronous_client_says_how_it_is_used() -> None:
    with pytest.raises(ClientError, match="with SyncClient"):
        SyncClient("http://127.0.0.1:1/mcp").list_tools()


def test_the_synchronous_client_leaves_no_thread_behind(server: FakeServer) -> None:
    before = threading.active_count()
    with SyncClient(server.url) as client:
        client.list_tools()
    assert threading.active_count() == before
