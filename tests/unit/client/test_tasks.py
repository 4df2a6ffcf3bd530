"""Handles of tasks: waiting, callbacks, questions, notifications, other kinds than tools, the synchronous client."""

from __future__ import annotations

import asyncio

import pytest

from mcptasks.client import (
    Client,
    ClientError,
    McpError,
    PromptTask,
    TaskState,
    ToolError,
)
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from mcptasks.protocol.versions import IDEMPOTENCY_META as KEY
from tests.unit.client.fake_server import NEW, RESULT, TASK_ID, FakeServer, RpcFault

pytestmark = pytest.mark.anyio


MINUTE_MS = 60_000


SECONDS = 20


MESSAGES: JsonObject = {"messages": [{"role": "user", "content": {"type": "text", "text": "hello"}}]}


CONTENTS: JsonObject = {"contents": [{"uri": "a://b", "text": "hi"}, {"uri": "a://c", "blob": "AAE="}]}


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
