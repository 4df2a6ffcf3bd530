"""An MCP client for tasks over Streamable HTTP, in both protocol versions.

async with Client("http://127.0.0.1:8000/mcp") as client:
    task = await client.call_tool("report", {"top": 5}, task=True)
    result = await task.result()
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, get_args, overload

import httpx

from mcptasks.resources import JsonObject
from mcptasks.wire import client_handshake, client_stateless
from mcptasks.wire.client_handshake import HandshakeDialect
from mcptasks.wire.client_http import HttpTransport, report
from mcptasks.wire.client_stateless import StatelessDialect
from mcptasks.wire.client_types import (
    ClientError,
    ConnectionFailedError,
    Dialect,
    HttpRefusedError,
    McpError,
    Progress,
    ProgressCallback,
    TaskCancelledError,
    TaskState,
    Tool,
    ToolCall,
)
from mcptasks.wire.versions import ProtocolChoice

__all__ = [
    "Client",
    "ClientError",
    "ConnectionFailedError",
    "HttpRefusedError",
    "McpError",
    "Progress",
    "ProtocolChoice",
    "TaskCancelledError",
    "TaskState",
    "Tool",
    "ToolResult",
    "ToolTask",
]

Milliseconds: TypeAlias = int

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
"""Silence after which a connection counts as broken; servers send a sign of life every 15 s."""

RECONNECT_SECONDS = 60.0
"""How long a wait for a task goes on while the server cannot be reached: a restart must not lose the task."""

BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0)
INTERNAL_ERROR = -32603


@dataclass(frozen=True)
class ToolResult:
    """What a tool returned. `raw` is the result exactly as the server sent it."""

    raw: JsonObject

    @property
    def content(self) -> list[JsonObject]:
        """The content blocks."""
        return list(self.raw.get("content") or ())

    @property
    def structured_content(self) -> Any:
        """The structured output; None where the tool has none."""
        return self.raw.get("structuredContent")

    @property
    def is_error(self) -> bool:
        """Whether the tool itself reported an error."""
        return bool(self.raw.get("isError"))

    @property
    def text(self) -> str:
        """All text blocks, a line break between them."""
        return "\n".join(block.get("text", "") for block in self.content if block.get("type") == "text")


@dataclass(eq=False)
class ToolTask:
    """A tool call that runs as a task.

    `returned_immediately` is true where the server answered the call at once instead of making a task of it; then
    `task_id` is empty and the result is there already.
    """

    client: Client
    task_id: str
    _state: TaskState | None = None
    _result: ToolResult | None = None
    _on_progress: ProgressCallback | None = None

    @property
    def returned_immediately(self) -> bool:
        return not self.task_id

    async def status(self) -> TaskState:
        """The task as the server has it now. Raises McpError for a task that is gone."""
        if self.returned_immediately:
            raise ClientError("the server answered this call at once: there is no task to ask about")
        self._state = await self.client.dialect.get_task(self.task_id)
        return self._state

    async def wait(self, timeout: float | None = None) -> TaskState:
        """Wait until the task has ended, asking as often as the server wants to be asked.

        A server that cannot be reached for a while is asked again, for up to a minute.

        Args:
            timeout: seconds to wait; for ever where None.

        Raises:
            TimeoutError: the task has not ended in time. It runs on.
            McpError: the task is unknown or has expired.
            ConnectionFailedError: the server cannot be reached any more.
        """
        async with asyncio.timeout(timeout):
            state = self._state or await self._patient_status()
            while not state.status.terminal:
                if state.progress is not None:
                    await report(self._on_progress, state.progress)
                await asyncio.sleep(state.poll_seconds)
                state = await self._patient_status()
            return state

    async def result(self, timeout: float | None = None) -> ToolResult:
        """Wait for the end, then the result; the same object at every call.

        Raises:
            TaskCancelledError: the task was cancelled.
            McpError: the call ended with an error: the tool's own, or why it could not be run.
            TimeoutError: the task has not ended in time. It runs on.
        """
        if self._result is None:
            state = await self.wait(timeout)
            self._result = ToolResult(await self.client.dialect.task_result(state))
        return self._result

    async def cancel(self) -> None:
        """Cancel the task. Raises McpError where it has ended already and the protocol version tells so."""
        if not self.returned_immediately:
            await self.client.dialect.cancel_task(self.task_id)

    async def _patient_status(self) -> TaskState:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + RECONNECT_SECONDS
        async for pause in _pauses():
            try:
                return await self.status()
            except (ConnectionFailedError, McpError) as error:
                transient = isinstance(error, ConnectionFailedError) or error.code == INTERNAL_ERROR
                if not transient or loop.time() + pause > give_up_at:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("pauses never end")


async def _pauses() -> AsyncIterator[float]:
    for pause in BACKOFF_SECONDS:
        yield pause * random.uniform(0.8, 1.2)
    while True:
        yield BACKOFF_SECONDS[-1] * random.uniform(0.8, 1.2)


@dataclass(eq=False)
class Client:
    """An MCP client; use as an async context manager.

    Args:
        url: the MCP endpoint, for example http://127.0.0.1:8000/mcp.
        token: bearer token to send.
        auth: any other httpx authentication.
        headers: further HTTP headers.
        protocol: the protocol version to speak; `auto` takes the newest that the server has.
        tasks: False never lets a call become a task.
    """

    url: str
    token: str | None = None
    auth: httpx.Auth | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    protocol: ProtocolChoice = "auto"
    tasks: bool = True
    _dialect: Dialect | None = field(default=None, init=False)
    _exit: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)

    def __post_init__(self) -> None:
        if self.protocol not in get_args(ProtocolChoice):
            raise ClientError(f"protocol {self.protocol!r} is unknown: use {', '.join(get_args(ProtocolChoice))}")

    async def __aenter__(self) -> Self:
        """Connect and agree on a protocol version.

        Raises:
            ConnectionFailedError: the server cannot be reached.
            ClientError: the server speaks no protocol version that was asked for, or wants other credentials.
        """
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(self._http())
            self._dialect = await self._negotiate(HttpTransport(self.url, http))
            stack.push_async_callback(self._dialect.close)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dialect = None
        await self._exit.aclose()

    @property
    def dialect(self) -> Dialect:
        """The protocol version's own way to say things. Raises ClientError where the client is not open."""
        if self._dialect is None:
            raise ClientError("the client is not open: use it as `async with Client(url) as client:`")
        return self._dialect

    @property
    def protocol_version(self) -> str:
        """The protocol version that client and server agreed on."""
        return self.dialect.version

    async def list_tools(self) -> list[Tool]:
        """The server's tools."""
        return await self.dialect.list_tools()

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        task: Literal[False] = False,
        ttl: timedelta | Milliseconds | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> ToolResult: ...

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        task: Literal[True],
        ttl: timedelta | Milliseconds | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> ToolTask: ...

    async def call_tool(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        task: bool = False,
        ttl: timedelta | Milliseconds | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> ToolResult | ToolTask:
        """Call a tool, as a task wherever the server offers that.

        Args:
            name: the tool.
            arguments: its arguments.
            task: True gives the task as soon as it exists; False waits for its result.
            ttl: how long the task can be read, from its creation. The newer protocol version leaves that to
                the server and takes no such wish.
            on_progress: called with progress, while somebody waits.

        Raises:
            McpError: the server refuses the call, or (where waited for) the call ended with an error.
            ConnectionFailedError: the server cannot be reached.
        """
        call = ToolCall(name, arguments or {}, as_task=self.tasks, ttl_ms=_milliseconds(ttl))
        answer = await self.dialect.call_tool(call, on_progress)
        handle = (
            ToolTask(self, answer.task_id, _state=answer, _on_progress=on_progress)
            if isinstance(answer, TaskState)
            else ToolTask(self, "", _result=ToolResult(answer))
        )
        return handle if task else await handle.result()

    def resume(self, task_id: str, on_progress: ProgressCallback | None = None) -> ToolTask:
        """The task of the id, which may be from another process. Nothing is sent yet."""
        return ToolTask(self, task_id, _on_progress=on_progress)

    def _http(self) -> httpx.AsyncClient:
        headers = dict(self.headers)
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None)
        return httpx.AsyncClient(headers=headers, auth=self.auth, timeout=timeout, follow_redirects=True)

    async def _negotiate(self, transport: HttpTransport) -> Dialect:
        stateless = StatelessDialect(transport, _version())
        handshake = HandshakeDialect(transport, _version())
        if self.protocol == client_handshake.VERSION:
            await handshake.open()
            if handshake.version != client_handshake.VERSION:
                raise ClientError(
                    f"{self.url} does not speak MCP {client_handshake.VERSION}; it offers {handshake.version}"
                )
            return handshake
        try:
            await stateless.open()
            return stateless
        except ClientError as error:
            if self.protocol != "auto" or not speaks_older_version(error):
                raise
        await handshake.open()
        return handshake


def speaks_older_version(error: ClientError) -> bool:
    """Whether an answer to the newer version's first request means that the older one is worth trying.

    (MCP, basic/versioning: a client that gets an error which only a modern server gives stays modern.)
    """
    match error:
        case ConnectionFailedError():
            return False
        case HttpRefusedError(status=status):
            return status not in (401, 403)
        case McpError(code=code):
            return code == client_stateless.UNSUPPORTED_VERSION or code not in client_stateless.MODERN_ERRORS
        case _:
            return True


def _milliseconds(ttl: timedelta | Milliseconds | None) -> int | None:
    return round(ttl / timedelta(milliseconds=1)) if isinstance(ttl, timedelta) else ttl


def _version() -> str:
    return importlib.metadata.version("mcptasks")
