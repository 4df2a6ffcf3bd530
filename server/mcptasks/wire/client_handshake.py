"""The client's side of MCP 2025-11-25: handshake, and tasks that the client asks for (SEP-1686)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from mcptasks.resources import JsonObject, Phase
from mcptasks.wire.client_http import Answer, HttpTransport
from mcptasks.wire.client_types import (
    CLIENT_NAME,
    ClientError,
    HttpRefusedError,
    ProgressCallback,
    TaskCancelledError,
    TaskState,
    Tool,
    ToolCall,
    parse_phase,
    progress_of,
)

VERSION = "2025-11-25"
SESSION_HEADER = "mcp-session-id"


@dataclass
class HandshakeDialect:
    """Speaks 2025-11-25, and inline calls of the versions before it where the server asks for one of those."""

    transport: HttpTransport
    client_version: str
    version: str = VERSION
    server_info: JsonObject = field(default_factory=dict)
    _session: str | None = None
    _serves_tasks: bool = False
    _tools: dict[str, Tool] | None = None

    async def open(self) -> None:
        """`initialize`, and the notification that ends the handshake."""
        self._session = None
        answer = await self.transport.request(
            "initialize",
            {
                "protocolVersion": VERSION,
                "capabilities": {},
                "clientInfo": {"name": CLIENT_NAME, "version": self.client_version},
            },
            {},
        )
        self.version = str(answer.result.get("protocolVersion"))
        self.server_info = answer.result.get("serverInfo") or {}
        self._session = answer.headers.get(SESSION_HEADER)
        tasks = (answer.result.get("capabilities") or {}).get("tasks") or {}
        can_call = (tasks.get("requests") or {}).get("tools", {}).get("call")
        self._serves_tasks = self.version == VERSION and can_call is not None
        await self.transport.notify("notifications/initialized", self._headers())

    async def close(self) -> None:
        """Ends the session, where the server made one."""
        if self._session is not None:
            await self.transport.delete(self._headers())
            self._session = None

    async def list_tools(self) -> list[Tool]:
        tools: list[Tool] = []
        params: JsonObject = {}
        while True:
            page = (await self._request("tools/list", params)).result
            tools += [Tool.parse(item) for item in page.get("tools") or ()]
            if not page.get("nextCursor"):
                self._tools = {tool.name: tool for tool in tools}
                return tools
            params = {"cursor": page["nextCursor"]}

    async def call_tool(self, call: ToolCall, on_progress: ProgressCallback | None) -> JsonObject | TaskState:
        params: JsonObject = {"name": call.name, "arguments": call.arguments}
        if on_progress is not None:
            params["_meta"] = {"progressToken": uuid.uuid4().hex}
        if call.as_task and await self._may_be_task(call.name):
            params["task"] = {} if call.ttl_ms is None else {"ttl": call.ttl_ms}
        result = (await self._request("tools/call", params, on_progress)).result
        if "task" in params and isinstance(result.get("task"), dict):
            return _state(result["task"])
        return result

    async def get_task(self, task_id: str) -> TaskState:
        return _state((await self._request("tasks/get", {"taskId": task_id})).result)

    async def task_result(self, state: TaskState) -> JsonObject:
        if state.status is Phase.CANCELLED:
            raise TaskCancelledError(state.message or f"task {state.task_id} was cancelled")
        return (await self._request("tasks/result", {"taskId": state.task_id})).result

    async def cancel_task(self, task_id: str) -> None:
        await self._request("tasks/cancel", {"taskId": task_id})

    async def _may_be_task(self, name: str) -> bool:
        if not self._serves_tasks:
            return False
        if self._tools is None:
            await self.list_tools()
        tool = (self._tools or {}).get(name)
        return tool is not None and tool.task_support in ("optional", "required")

    async def _request(self, method: str, params: JsonObject, on_progress: ProgressCallback | None = None) -> Answer:
        try:
            return await self.transport.request(method, params, self._headers(), on_progress)
        except HttpRefusedError as error:
            if error.status != 404 or self._session is None:
                raise
        # The session is gone, for example because the server was restarted; the specification asks for a new one.
        await self.open()
        return await self.transport.request(method, params, self._headers(), on_progress)

    def _headers(self) -> dict[str, str]:
        headers = {"MCP-Protocol-Version": self.version}
        return headers if self._session is None else {**headers, SESSION_HEADER: self._session}


def _state(item: JsonObject) -> TaskState:
    if not isinstance(item.get("taskId"), str):
        raise ClientError("the server answered with a task that has no id")
    return TaskState(
        task_id=item["taskId"],
        status=parse_phase(item.get("status")),
        message=item.get("statusMessage"),
        progress=progress_of(item),
        created_at=item.get("createdAt"),
        last_updated_at=item.get("lastUpdatedAt"),
        ttl_ms=item.get("ttl"),
        poll_interval_ms=item.get("pollInterval"),
    )
