"""The client against servers of either protocol version, well-behaved and not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest

from mcptasks.client import (
    CallProgress,
    Client,
    ClientError,
    ConnectionFailedError,
    HttpRefusedError,
    McpError,
    TaskCancelledError,
)
from mcptasks.client.protocol.streamable_http import HttpTransport
from mcptasks.client.protocol.task_fields import progress_of
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from mcptasks.protocol.versions import PROGRESS_META
from tests.support.ports import free_port
from tests.unit.client.fake_server import NEW, OLD, RESULT, TASK_ID, FakeServer, HttpFault, RpcFault

pytestmark = pytest.mark.anyio


# --- which protocol version -----------------------------------------------------------------------------------------


async def test_auto_speaks_the_version_that_the_server_has(server: FakeServer) -> None:
    async with Client(server.url) as client:
        assert client.protocol_version == server.version


async def test_auto_tries_the_newer_version_first(old: FakeServer) -> None:
    async with Client(old.url):
        pass
    assert old.methods()[:3] == ["server/discover", "initialize", "notifications/initialized"]


async def test_the_older_version_is_spoken_at_once_where_it_is_asked_for(old: FakeServer) -> None:
    async with Client(old.url, protocol="2025-11-25"):
        pass
    assert "server/discover" not in old.methods()


async def test_a_server_without_the_version_asked_for_is_an_error(old: FakeServer) -> None:
    with pytest.raises(ClientError, match="Unsupported protocol version"):
        async with Client(old.url, protocol="2026-07-28"):
            pass
    assert "initialize" not in old.methods()


async def test_auto_stays_with_the_newer_version_after_an_error_of_it(new: FakeServer) -> None:
    new.faults["server/discover"] = [RpcFault(-32020, "header mismatch", status=400)]
    with pytest.raises(McpError, match="header mismatch"):
        async with Client(new.url):
            pass
    assert "initialize" not in new.methods()


@pytest.mark.parametrize(
    "fault",
    [
        RpcFault(-32022, "unsupported version", {"supported": [OLD]}, status=400),
        RpcFault(-32601, "Method not found"),
        HttpFault(400, "Missing session ID"),
        HttpFault(400, '{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Missing session ID"}}'),
        HttpFault(406, "Not acceptable"),
    ],
)
async def test_auto_takes_the_older_version_where_the_newer_is_unknown(
    old: FakeServer, fault: RpcFault | HttpFault
) -> None:
    old.faults["server/discover"] = [fault]
    async with Client(old.url) as client:
        assert client.protocol_version == OLD


async def test_a_refused_token_is_not_taken_for_an_old_server(new: FakeServer) -> None:
    new.token = "secret"
    with pytest.raises(HttpRefusedError, match="it wants a token"):
        async with Client(new.url):
            pass
    with pytest.raises(HttpRefusedError, match="give a valid one with --token"):
        async with Client(new.url, token="wrong"):
            pass
    async with Client(new.url, token="secret") as client:
        assert client.protocol_version == NEW


async def test_any_httpx2_authentication_may_be_used(new: FakeServer) -> None:
    class Bearer(httpx2.Auth):
        def auth_flow(self, request: httpx2.Request) -> Iterator[httpx2.Request]:  # type: ignore[override]
            request.headers["Authorization"] = "Bearer secret"
            yield request

    new.token = "secret"
    async with Client(new.url, auth=Bearer()) as client:
        assert await client.list_tools()


async def test_an_unknown_version_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ClientError, match="use auto, 2026-07-28, 2025-11-25"):
        Client("http://127.0.0.1/mcp", protocol="1999-01-01")  # type: ignore[arg-type]


async def test_a_server_that_cannot_be_reached_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}/mcp"
    with pytest.raises(ConnectionFailedError, match=f"cannot reach {url}"):
        async with Client(url):
            pass


@pytest.mark.parametrize("url", ["127.0.0.1:8000/mcp", "ftp://x/mcp", "nonsense"])
async def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ClientError, match="not an HTTP URL"):
        async with Client(url):
            pass


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://127.0.0.1:80x/mcp", "not a URL: Invalid port: '80x'; give one like"),
        ("http://[::1/mcp", "not a URL"),
        ("http://a\0b/mcp", "not a URL"),
        ("http://user:secret@127.0.0.1:99999/mcp", "'http://127.0.0.1:99999/mcp' has the port 99999"),
        ("http://127.0.0.1:-1/mcp", "has the port -1; there are ports from 1 to 65535"),
        ("http://127.0.0.1:0/mcp", "has the port 0"),
        ("http:///mcp", "not an HTTP URL"),
        (" http://127.0.0.1/mcp", "not an HTTP URL"),
    ],
)
async def test_what_is_wrong_with_a_url_is_said(url: str, what: str) -> None:
    with pytest.raises(ClientError, match=what) as refused:
        async with Client(url):
            pass
    assert "secret" not in str(refused.value)


async def test_https_to_a_server_of_http_is_said_to_be_that(new: FakeServer) -> None:
    with pytest.raises(ConnectionFailedError, match="it may be a server of http, not https"):
        async with Client(new.url.replace("http:", "https:")):
            pass


async def test_an_answer_that_is_not_mcp_is_shown(new: FakeServer) -> None:
    new.faults["server/discover"] = [HttpFault(200, "<html>hello</html>")]
    new.faults["initialize"] = [HttpFault(200, "<html>hello</html>")]
    with pytest.raises(ClientError, match=r"does not answer in MCP: .*hello"):
        async with Client(new.url):
            pass


@pytest.mark.parametrize(("path", "is_hinted"), [("/", True), ("/api", True), ("/mcp", False), ("/tools/mcp/", False)])
async def test_a_page_at_another_path_may_be_a_wrong_path(new: FakeServer, path: str, is_hinted: bool) -> None:
    new.faults = {method: [HttpFault(200, "<html>hello</html>")] for method in ("server/discover", "initialize")}
    with pytest.raises(ClientError, match=r"does not answer in MCP: .*hello") as failed:
        async with Client(new.url.removesuffix("/mcp") + path):
            pass
    assert ("is the path right? It is /mcp by default" in str(failed.value)) is is_hinted


async def test_an_answer_whose_compression_is_broken_is_an_error_of_the_client() -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-encoding": "gzip"}, content=b"none")

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        with pytest.raises(ClientError, match="gives an answer that cannot be read"):
            await HttpTransport("http://tools.example/mcp", http).request("tools/list", {}, {})


async def test_a_closed_client_says_how_it_is_used(new: FakeServer) -> None:
    client = Client(new.url)
    with pytest.raises(ClientError, match="async with"):
        await client.list_tools()


# --- what goes over the wire ----------------------------------------------------------------------------------------


async def test_every_request_of_the_newer_version_explains_itself(new: FakeServer) -> None:
    async with Client(new.url) as client:
        await client.call_tool("work", {"top": 1})
    for request in new.received:
        assert request.headers["mcp-protocol-version"] == NEW
        assert request.headers["mcp-method"] == request.method
        assert request.meta["io.modelcontextprotocol/protocolVersion"] == NEW
        assert request.meta["io.modelcontextprotocol/clientInfo"]["name"] == "mcptasks"
        extensions = request.meta["io.modelcontextprotocol/clientCapabilities"]["extensions"]
        assert extensions == {"io.modelcontextprotocol/tasks": {}}
    assert new.last("tools/call").headers["mcp-name"] == "work"
    assert new.last("tasks/get").headers["mcp-name"] == TASK_ID


async def test_the_older_version_is_named_in_the_header_after_the_handshake(old: FakeServer) -> None:
    async with Client(old.url) as client:
        await client.list_tools()
    assert old.last("tools/list").headers["mcp-protocol-version"] == OLD
    assert "mcp-method" not in old.last("tools/list").headers


async def test_all_pages_of_tools_are_read(server: FakeServer) -> None:
    async with Client(server.url) as client:
        tools = await client.list_tools()
    assert [tool.name for tool in tools] == ["work", "quick"]
    assert tools[1].description == "At once."


async def test_a_session_is_kept_renewed_after_a_404_and_ended(old: FakeServer) -> None:
    old.with_sessions = True
    async with Client(old.url) as client:
        await client.list_tools()
        assert old.last("tools/list").headers["mcp-session-id"] == "session-1"
        old.sessions = {"another"}
        await client.list_tools()
        assert old.last("tools/list").headers["mcp-session-id"] == "session-2"
    assert old.received[-1].method == "DELETE"


@pytest.mark.parametrize("text", ["line\u2028separator", "next\x85line", "\x0b", "ünïcödé", "a\r\nb"])
async def test_text_survives_server_sent_events(server: FakeServer, text: str) -> None:
    server.transport = "sse"
    server.result = {"content": [{"type": "text", "text": text}]}
    async with Client(server.url) as client:
        assert (await client.call_tool("quick")).text == text


async def test_a_stream_that_ends_without_an_answer_is_a_broken_connection(new: FakeServer) -> None:
    async with Client(new.url) as client:
        new.faults["tools/list"] = [HttpFault(0)]
        with pytest.raises(ConnectionFailedError):
            await client.list_tools()


# --- calls and tasks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["json", "sse"])
async def test_a_task_is_polled_to_its_result(server: FakeServer, transport: str) -> None:
    server.transport = transport  # type: ignore[assignment]
    server.statuses = ["working", "working", "completed"]
    async with Client(server.url) as client:
        task = await client.call_tool("work", {"top": 1}, task=True)
        assert task.task_id == TASK_ID
        assert not task.returned_immediately
        result = await task.result()
        assert result.text == "done"
        assert not result.is_error
        assert await task.result() is result
    assert server.methods().count("tasks/get") == 3


async def test_a_call_hides_its_task(server: FakeServer) -> None:
    async with Client(server.url) as client:
        result = await client.call_tool("work", {"top": 1})
    assert result.content == RESULT["content"]
    assert "tasks/get" in server.methods()


async def test_a_client_without_tasks_calls_inline(server: FakeServer) -> None:
    async with Client(server.url, tasks=False) as client:
        task = await client.call_tool("work", {"top": 1}, task=True)
        assert task.returned_immediately
        assert (await task.result()).text == "done"
        with pytest.raises(ClientError, match="at once"):
            await task.status()
    assert "tasks/get" not in server.methods()


async def test_a_tool_that_is_never_a_task_is_called_inline(old: FakeServer) -> None:
    async with Client(old.url) as client:
        task = await client.call_tool("quick", task=True)
        assert task.returned_immediately
    assert "task" not in old.last("tools/call").params


@pytest.mark.parametrize("ttl", [600_000, timedelta(minutes=10)])
async def test_the_ttl_goes_out_in_milliseconds(old: FakeServer, ttl: int | timedelta) -> None:
    async with Client(old.url) as client:
        await client.call_tool("work", task=True, ttl=ttl)
    assert old.last("tools/call").params["task"] == {"ttl": 600_000}


async def test_without_a_ttl_the_server_chooses(old: FakeServer) -> None:
    async with Client(old.url) as client:
        await client.call_tool("work", task=True)
    assert old.last("tools/call").params["task"] == {}


async def test_the_state_of_a_task_has_all_that_the_server_says(server: FakeServer) -> None:
    server.message = "half done"
    async with Client(server.url) as client:
        state = await client.resume(TASK_ID).status()
    assert state.status is Phase.WORKING
    assert state.message == "half done"
    assert (state.ttl_ms, state.poll_interval_ms, state.poll_seconds) == (60_000, 10, 0.01)
    assert state.created_at == "2026-11-22T12:00:00Z"


async def test_the_message_of_a_running_task_is_progress(server: FakeServer) -> None:
    server.message = "half done"
    reports: list[CallProgress] = []
    async with Client(server.url) as client:
        await client.call_tool("work", on_progress=reports.append)
    assert CallProgress(message="half done") in reports


@pytest.mark.parametrize(
    ("message", "numbers", "expected"),
    [
        ("50% (1/2)", {"current": 1, "total": 2}, CallProgress(1, 2)),
        ("3", {"current": 3}, CallProgress(3)),
        ("half", {"current": 1, "total": 2}, CallProgress(1, 2, "half")),
        ("50% (1/2)", None, CallProgress(message="50% (1/2)")),
    ],
)
def test_a_status_message_that_repeats_the_numbers_is_no_message_of_the_tool(
    message: str, numbers: JsonObject | None, expected: CallProgress
) -> None:
    meta = {} if numbers is None else {"_meta": {PROGRESS_META: numbers}}
    assert progress_of({"statusMessage": message, **meta}) == expected


async def test_progress_of_an_inline_call_comes_on_its_stream(server: FakeServer) -> None:
    server.transport = "sse"
    server.progress = [{"progress": 1, "total": 2, "message": "half"}]
    reports: list[CallProgress] = []

    async def on_progress(report: CallProgress) -> None:
        reports.append(report)

    async with Client(server.url) as client:
        await client.call_tool("quick", on_progress=on_progress)
    assert reports == [CallProgress(1, 2, "half")]


async def test_a_tool_error_is_a_result(server: FakeServer) -> None:
    server.result = {"content": [{"type": "text", "text": "no disk"}], "isError": True}
    server.statuses = ["failed" if server.version == OLD else "completed"]
    async with Client(server.url) as client:
        result = await client.call_tool("work")
    assert result.is_error
    assert result.text == "no disk"


async def test_an_error_of_the_call_is_raised(server: FakeServer) -> None:
    server.statuses = ["failed"]
    server.error = RpcFault(-32603, "out of memory", {"reason": "OOMKilled"})
    async with Client(server.url) as client:
        with pytest.raises(McpError, match="out of memory") as caught:
            await client.call_tool("work")
    assert caught.value.code == -32603
    assert caught.value.data == {"reason": "OOMKilled"}


async def test_cancelling_ends_the_wait(server: FakeServer) -> None:
    server.statuses = ["working"]
    async with Client(server.url) as client:
        task = await client.call_tool("work", task=True)
        waiting = asyncio.create_task(task.result())
        await task.cancel()
        with pytest.raises(TaskCancelledError):
            await waiting
    assert server.last("tasks/cancel").params["taskId"] == TASK_ID


async def test_a_wait_may_time_out_and_the_task_goes_on(server: FakeServer) -> None:
    server.statuses = ["working"]
    async with Client(server.url) as client:
        task = await client.call_tool("work", task=True)
        with pytest.raises(TimeoutError):
            await task.wait(timeout=0.05)
        server.statuses = ["completed"]
        assert (await task.wait()).status is Phase.COMPLETED


async def test_an_unknown_task_is_an_error_at_once(server: FakeServer) -> None:
    server.faults["tasks/get"] = [RpcFault(-32602, "Task not found")]
    async with Client(server.url) as client:
        with pytest.raises(McpError, match="Task not found"):
            await client.resume("nope").wait()
    assert server.methods().count("tasks/get") == 1


@pytest.mark.parametrize("fault", [HttpFault(0), HttpFault(503), RpcFault(-32603, "shutting down")])
async def test_a_wait_outlives_a_restart_of_the_server(server: FakeServer, fault: RpcFault | HttpFault) -> None:
    server.faults["tasks/get"] = [fault, fault]
    async with Client(server.url) as client:
        assert (await client.call_tool("work")).text == "done"
    assert server.methods().count("tasks/get") >= 3


@pytest.mark.parametrize("kind", ["input_required", "mystery"])
async def test_results_that_the_client_cannot_handle_are_named(new: FakeServer, kind: str) -> None:
    new.result_type = kind
    new.becomes_task = False
    async with Client(new.url) as client:
        with pytest.raises(ClientError, match="does not say for what" if kind == "input_required" else "'mystery'"):
            await client.call_tool("work")
