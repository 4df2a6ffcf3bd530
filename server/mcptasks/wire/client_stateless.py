"""The client's side of MCP 2026-07-28: self-contained requests, and the tasks extension (SEP-2663)."""

from __future__ import annotations

import base64
import re
import uuid
from dataclasses import dataclass, field

from mcptasks.resources import JsonObject, Phase
from mcptasks.wire.client_http import HttpTransport
from mcptasks.wire.client_types import (
    CLIENT_NAME,
    ClientError,
    ProgressCallback,
    TaskCancelledError,
    TaskState,
    Tool,
    ToolCall,
    error_of,
    parse_phase,
    progress_of,
)

VERSION = "2026-07-28"
TASKS_EXTENSION = "io.modelcontextprotocol/tasks"
META = "io.modelcontextprotocol/"

UNSUPPORTED_VERSION = -32022
MODERN_ERRORS = frozenset({-32020, -32021, UNSUPPORTED_VERSION})
"""Errors that only a server of this era gives: not a reason to try the older one, except for a refused version."""

_PLAIN_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


@dataclass
class StatelessDialect:
    """Speaks 2026-07-28. Every request says what the client can do; only the server decides what becomes a task."""

    transport: HttpTransport
    client_version: str
    version: str = VERSION
    server_info: JsonObject = field(default_factory=dict)

    async def open(self) -> None:
        """`server/discover`: the version has no handshake, but this tells an older server apart at once."""
        result = await self._request("server/discover", {})
        supported = result.get("supportedVersions") or []
        if VERSION not in supported:
            raise ClientError(f"the server does not speak MCP {VERSION}; it offers {', '.join(supported) or 'nothing'}")
        self.server_info = (result.get("_meta") or {}).get(f"{META}serverInfo") or {}

    async def close(self) -> None:
        """Nothing to end: there are no sessions."""

    async def list_tools(self) -> list[Tool]:
        tools: list[Tool] = []
        params: JsonObject = {}
        while True:
            page = await self._request("tools/list", params)
            tools += [Tool.parse(item) for item in page.get("tools") or ()]
            if not page.get("nextCursor"):
                return tools
            params = {"cursor": page["nextCursor"]}

    async def call_tool(self, call: ToolCall, on_progress: ProgressCallback | None) -> JsonObject | TaskState:
        result = await self._request(
            "tools/call",
            {"name": call.name, "arguments": call.arguments},
            name=call.name,
            as_task=call.as_task,
            on_progress=on_progress,
        )
        match result.get("resultType", "complete"):
            case "complete":
                return result
            case "task":
                return _state(result)
            case "input_required":
                raise ClientError(f"tool {call.name} asks for input before it starts, which this client cannot give")
            case other:
                raise ClientError(f"the server answered with a result of the unknown type {other!r}")

    async def get_task(self, task_id: str) -> TaskState:
        return _state(await self._request("tasks/get", {"taskId": task_id}, name=task_id))

    async def task_result(self, state: TaskState) -> JsonObject:
        if state.status is Phase.CANCELLED:
            raise TaskCancelledError(state.message or f"task {state.task_id} was cancelled")
        if state.error is not None:
            raise state.error
        if state.result is None:
            # A task may be born terminal; then its result comes with the first poll.
            state = await self.get_task(state.task_id)
        if state.error is not None:
            raise state.error
        if state.result is None:
            raise ClientError(f"task {state.task_id} is {state.status} but the server gave no result")
        return state.result

    async def cancel_task(self, task_id: str) -> None:
        await self._request("tasks/cancel", {"taskId": task_id}, name=task_id)

    async def _request(
        self,
        method: str,
        params: JsonObject,
        *,
        name: str | None = None,
        as_task: bool = True,
        on_progress: ProgressCallback | None = None,
    ) -> JsonObject:
        headers = {"MCP-Protocol-Version": VERSION, "Mcp-Method": method}
        if name is not None:
            headers["Mcp-Name"] = header_value(name)
        meta = self._meta(as_task)
        if on_progress is not None:
            meta["progressToken"] = uuid.uuid4().hex
        answer = await self.transport.request(method, {**params, "_meta": meta}, headers, on_progress)
        return answer.result

    def _meta(self, as_task: bool) -> JsonObject:
        return {
            f"{META}protocolVersion": VERSION,
            f"{META}clientInfo": {"name": CLIENT_NAME, "version": self.client_version},
            f"{META}clientCapabilities": {"extensions": {TASKS_EXTENSION: {}}} if as_task else {},
        }


def header_value(text: str) -> str:
    """The text as the value of `Mcp-Name`: itself where it is plain ASCII, otherwise in Base64 with the sentinel."""
    if _PLAIN_HEADER.fullmatch(text) and not text.startswith("=?base64?"):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def _state(item: JsonObject) -> TaskState:
    if not isinstance(item.get("taskId"), str):
        raise ClientError("the server answered with a task that has no id")
    error = item.get("error")
    return TaskState(
        task_id=item["taskId"],
        status=parse_phase(item.get("status")),
        message=item.get("statusMessage"),
        progress=progress_of(item),
        created_at=item.get("createdAt"),
        last_updated_at=item.get("lastUpdatedAt"),
        ttl_ms=item.get("ttlMs"),
        poll_interval_ms=item.get("pollIntervalMs"),
        result=item.get("result"),
        error=error_of(error) if isinstance(error, dict) else None,
    )
