"""The client's side of MCP 2025-11-25: handshake, and tasks that the client asks for (SEP-1686)."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from mcptasks.client.client_errors import (
    ClientError,
    ConnectionFailedError,
    HttpRefusedError,
    McpError,
    TaskCancelledError,
)
from mcptasks.client.protocol.dialect import CLIENT_NAME, Invocation, OnState, Tool
from mcptasks.client.protocol.follower import Follower, Hints
from mcptasks.client.protocol.input_responder import InputResponder
from mcptasks.client.protocol.json_rpc import METHOD_NOT_FOUND
from mcptasks.client.protocol.paging import all_pages
from mcptasks.client.protocol.retry import backoff_pauses, is_transient, retry
from mcptasks.client.protocol.server_requests import ServerRequests, related_task
from mcptasks.client.protocol.streamable_http import HttpTransport, RpcResult
from mcptasks.client.protocol.task_fields import progress_in, task_state
from mcptasks.client.task_state import ProgressCallback, TaskState, report_progress
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase

logger = logging.getLogger(__name__)

VERSION = "2025-11-25"
SESSION_HEADER = "mcp-session-id"
STATUS = "notifications/tasks/status"

_CAPABILITY = {
    "tools/call": ("tools", "call"),
    "prompts/get": ("prompts", "get"),
    "resources/read": ("resources", "read"),
}
"""Where `capabilities.tasks.requests` offers tasks for a method. The specification has tools only."""


@dataclass
class HandshakeDialect:
    """Speaks 2025-11-25, and inline calls of the versions before it where the server asks for one of those."""

    transport: HttpTransport
    client_version: str
    responder: InputResponder = field(default_factory=InputResponder)
    version: str = VERSION
    server_info: JsonObject = field(default_factory=dict)
    _session: str | None = None
    _capabilities: JsonObject = field(default_factory=dict)
    _tools: dict[str, Tool] | None = None
    _hints: dict[str, Hints] = field(default_factory=dict)
    _session_stream: asyncio.Task[None] | None = None
    _renewal: asyncio.Lock = field(default_factory=asyncio.Lock)
    _requests: ServerRequests = field(init=False)

    def __post_init__(self) -> None:
        self._requests = ServerRequests(self.responder, self._respond)

    async def open(self) -> None:
        """`initialize`, and the notification that ends the handshake."""
        self._session = None
        answer = await self.transport.request(
            "initialize",
            {
                "protocolVersion": VERSION,
                "capabilities": self.responder.capabilities,
                "clientInfo": {"name": CLIENT_NAME, "version": self.client_version},
            },
            {},
        )
        self.version = str(answer.result.get("protocolVersion"))
        self.server_info = answer.result.get("serverInfo") or {}
        self._session = answer.headers.get(SESSION_HEADER)
        self._capabilities = answer.result.get("capabilities") or {}
        await self.transport.notify("notifications/initialized", self._headers())
        if self.responder.handler is not None:
            self._listen_to_session()

    async def close(self) -> None:
        """Ends the session, where the server made one."""
        if self._session_stream is not None:
            self._session_stream.cancel()
            await asyncio.gather(self._session_stream, return_exceptions=True)
            self._session_stream = None
        await self._requests.close()
        if self._session is not None:
            await self.transport.delete(self._headers())
            self._session = None

    async def list_tools(self) -> list[Tool]:
        tools = [Tool.parse(item) for item in await self.list_items("tools/list", "tools")]
        self._tools = {tool.name: tool for tool in tools}
        return tools

    async def list_items(self, method: str, key: str) -> list[JsonObject]:
        async def page(params: JsonObject) -> JsonObject:
            return (await self._request(method, params)).result

        return await all_pages(page, key)

    async def invoke(self, call: Invocation, on_progress: ProgressCallback | None) -> JsonObject | TaskState:
        offered = self._offers_tasks(call.method)
        as_task = call.as_task and offered and await self._may_be_task(call)
        try:
            return await self._invoke(call, as_task, on_progress)
        except McpError as error:
            # Prompts and resources do not tell in advance: those that never or always are tasks refuse with this code.
            if error.code != METHOD_NOT_FOUND or not offered or call.method == "tools/call":
                raise
        return await self._invoke(call, not as_task, on_progress)

    async def _invoke(
        self, call: Invocation, as_task: bool, on_progress: ProgressCallback | None
    ) -> JsonObject | TaskState:
        token = {} if on_progress is None else {"progressToken": uuid.uuid4().hex}
        meta = {**call.meta, **token}
        params = {**call.params, "_meta": meta} if meta else dict(call.params)
        if as_task:
            params["task"] = {} if call.ttl_ms is None else {"ttl": call.ttl_ms}
        result = (await self._request(call.method, params, on_progress)).result
        if as_task and isinstance(result.get("task"), dict):
            return _state(result["task"])
        return result

    async def get_task(self, task_id: str) -> TaskState:
        return _state((await self._request("tasks/get", {"taskId": task_id})).result)

    async def follow(self, task_id: str, known: TaskState | None, on_state: OnState) -> TaskState:
        follower = Follower(
            get=lambda: self.get_task(task_id), listen=lambda hints: self._wait_for_result(task_id, hints)
        )
        self._hints[task_id] = follower.hints
        self._listen_to_session()
        try:
            return await follower.run(known, on_state)
        finally:
            if self._hints.get(task_id) is follower.hints:
                del self._hints[task_id]

    async def _wait_for_result(self, task_id: str, hints: Hints) -> bool:
        """`tasks/result`: its stream carries changes, progress and questions until the task has ended.

        Only a result is taken from it. An error may be the task's own, or that of a server which does not wait here.
        """
        try:
            result = (await self._request("tasks/result", {"taskId": task_id})).result
        except ConnectionFailedError:
            raise
        except ClientError as error:
            hints.wake()
            return is_transient(error)
        hints.result = result
        hints.wake()
        return False

    async def task_result(self, state: TaskState) -> JsonObject:
        if state.status is Phase.CANCELLED:
            raise TaskCancelledError(state.message or f"task {state.task_id} was cancelled")
        if state.result is not None:
            return state.result
        return (await self._request("tasks/result", {"taskId": state.task_id})).result

    async def cancel_task(self, task_id: str) -> None:
        await self._request("tasks/cancel", {"taskId": task_id})

    async def list_tasks(self) -> list[TaskState] | None:
        if (self._capabilities.get("tasks") or {}).get("list") is None or self.version != VERSION:
            return None
        return [_state(item) for item in await self.list_items("tasks/list", "tasks")]

    def _offers_tasks(self, method: str) -> bool:
        kind, verb = _CAPABILITY[method]
        requests = (self._capabilities.get("tasks") or {}).get("requests") or {}
        return self.version == VERSION and (requests.get(kind) or {}).get(verb) is not None

    async def _may_be_task(self, call: Invocation) -> bool:
        if call.method != "tools/call":
            return True
        if self._tools is None or call.name not in self._tools:
            await self.list_tools()
        tool = (self._tools or {}).get(call.name)
        return tool is not None and tool.task_support in ("optional", "required")

    # --- the connection ---------------------------------------------------------------------------------------------

    async def _request(self, method: str, params: JsonObject, on_progress: ProgressCallback | None = None) -> RpcResult:
        async def on_message(message: JsonObject) -> None:
            progress = progress_in(message)
            if progress is not None and on_progress is not None:
                await report_progress(on_progress, progress)
            else:
                await self._handle(message, params.get("taskId"))

        session = self._session
        try:
            return await self.transport.request(method, params, self._headers(), on_message)
        except HttpRefusedError as error:
            if error.status != 404 or session is None:
                raise
        # The session is gone, for example because the server was restarted; the specification asks for a new one.
        async with self._renewal:
            if self._session == session:
                await self.open()
        return await self.transport.request(method, params, self._headers(), on_message)

    async def _handle(self, message: JsonObject, task_id: str | None = None) -> None:
        """Handle a request or notification from any stream. `task_id` is the task that the stream is about."""
        params = message.get("params") or {}
        about = params.get("taskId") if message.get("method") == STATUS else related_task(params) or task_id
        hints = self._hints.get(str(about))
        if "id" in message:
            self._requests.take(message, hints)
        elif hints is None:
            return
        elif message.get("method") == STATUS:
            hints.tell(_state(params))
        elif (progress := progress_in(message)) is not None:
            hints.progress(progress)

    async def _respond(self, response: JsonObject) -> None:
        await retry(lambda: self.transport.send(response, self._headers()))

    def _listen_to_session(self) -> None:
        """Open the session's own stream: some servers send questions and notifications on it. Once a connection."""
        if self._session is not None and self._session_stream is None:
            self._session_stream = asyncio.create_task(self._read_session())

    async def _read_session(self) -> None:
        async for pause in backoff_pauses():
            try:
                await self.transport.listen(self._headers(), self._handle)
            except HttpRefusedError as error:
                if error.status != 404:
                    return
            except ClientError as error:
                logger.debug("the session's stream broke: %s", error)
            await asyncio.sleep(pause)

    def _headers(self) -> Mapping[str, str]:
        headers = {"MCP-Protocol-Version": self.version}
        return headers if self._session is None else {**headers, SESSION_HEADER: self._session}


def _state(item: JsonObject) -> TaskState:
    return task_state(item, ttl_ms=item.get("ttl"), poll_interval_ms=item.get("pollInterval"))
