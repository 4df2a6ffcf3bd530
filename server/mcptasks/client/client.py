"""The client: connects, calls, and makes the handles of what runs as a task."""

from __future__ import annotations

import asyncio
import json
import logging
import weakref
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, overload
from urllib.parse import quote

import httpx2

from mcptasks.client.call_options import CallOptions, Milliseconds, milliseconds
from mcptasks.client.call_results import PromptResult, ResourceResult, ResultPiece, ToolResult
from mcptasks.client.client_errors import ClientError, ConnectionFailedError, McpError, NotSentError
from mcptasks.client.elicitation import ElicitationHandler
from mcptasks.client.protocol.dialect import (
    Dialect,
    Invocation,
    ListedPrompt,
    ListedResource,
    Method,
    OnState,
    Tool,
)
from mcptasks.client.protocol.input_responder import InputResponder
from mcptasks.client.protocol.json_rpc import METHOD_NOT_FOUND
from mcptasks.client.protocol.negotiation import check_choice, negotiate
from mcptasks.client.protocol.redirects import refuse_foreign_redirect
from mcptasks.client.protocol.retry import retry, was_not_started
from mcptasks.client.protocol.streamable_http import HttpTransport, check_url
from mcptasks.client.task_handles import PromptTask, ResourceTask, Task, ToolTask
from mcptasks.client.task_observer import Observer
from mcptasks.client.task_state import ProgressCallback, TaskState
from mcptasks.distribution import installed_version
from mcptasks.model.base import JsonObject
from mcptasks.network.proxies import http_client
from mcptasks.network.shown_urls import shown_url
from mcptasks.protocol.versions import MAX_RESULT_META, TAKES_TTL, ProtocolChoice
from mcptasks.tracing.call_spans import client_span, mark_failed
from mcptasks.tracing.trace_contexts import inject

R = TypeVar("R")
T = TypeVar("T", bound=Task[Any])

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
"""Silence after which a connection counts as broken; servers send a sign of life every 15 s."""

CANCELLATION_SECONDS = 5.0
"""How long a closing client waits for the cancellation of calls that were given up."""

REMEMBERED = 1000
"""Tasks whose ids the client keeps for `list_tasks`."""


@dataclass(eq=False)
class Client:
    """An MCP client; use as an async context manager.

    Args:
        url: the MCP endpoint, for example http://127.0.0.1:8000/mcp.
        token: bearer token to send.
        auth: a bearer token as well, or any other authentication of httpx2.
        headers: further HTTP headers.
        protocol: the protocol version to speak; `auto` takes the newest that the server has.
        tasks: False never lets a call become a task.
        on_elicitation: answers what servers ask the user in the middle of a call. A coroutine function, or any other
            callable, which then runs in a thread and may block. Without it, servers are told not to ask.
        max_result_bytes: of a task's result that is larger, in bytes of JSON, a mcptasks server sends a link in place
            of its content, if the task is a tool's; `result_pieces` reads it. What a tool returns without a task comes
            whole, however large it is. None takes results of any size.
    """

    url: str
    token: str | None = None
    auth: httpx2.Auth | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    protocol: ProtocolChoice = "auto"
    tasks: bool = True
    on_elicitation: ElicitationHandler | None = None
    max_result_bytes: int | None = None
    _dialect: Dialect | None = field(default=None, init=False)
    _exit: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)
    _observers: weakref.WeakValueDictionary[str, Observer] = field(
        default_factory=weakref.WeakValueDictionary, init=False
    )
    _kept_observers: set[Observer] = field(default_factory=set, init=False)
    _tools: dict[str, Tool] = field(default_factory=dict, init=False)
    _known_ids: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED), init=False)
    _cancellations: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        check_choice(self.protocol)

    def __repr__(self) -> str:
        """Without token, authentication and headers: a repr ends up in logs, tracebacks and notebooks."""
        return f"{type(self).__name__}({shown_url(self.url)!r}, protocol={self.protocol!r})"

    async def __aenter__(self) -> Self:
        """Connect and agree on a protocol version.

        Raises:
            ConnectionFailedError: the server cannot be reached.
            ClientError: the URL is none of a server, or the server speaks no protocol version that was asked for, or
                wants other credentials.
        """
        check_url(self.url)
        async with AsyncExitStack() as stack:
            try:
                http = await stack.enter_async_context(self._http())
            except httpx2.ProxyError as error:
                raise NotSentError(f"cannot reach {shown_url(self.url)}: {error}") from error
            meta = {} if self.max_result_bytes is None else {MAX_RESULT_META: self.max_result_bytes}
            transport = HttpTransport(self.url, http, meta)
            version = installed_version()
            self._dialect = await negotiate(self.protocol, transport, version, InputResponder(self.on_elicitation))
            stack.push_async_callback(self._dialect.close)
            stack.push_async_callback(self._stop)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def _stop(self) -> None:
        if self._cancellations:
            await asyncio.wait(self._cancellations, timeout=CANCELLATION_SECONDS)
        self._dialect = None
        for observer in list(self._observers.values()):
            await observer.close()
        self._kept_observers.clear()

    @property
    def dialect(self) -> Dialect:
        """What speaks the agreed protocol version. Raises ClientError where the client is not open."""
        if self._dialect is None:
            raise ClientError("the client is not open: use it as `async with Client(url) as client:`")
        return self._dialect

    @property
    def can_answer(self) -> bool:
        """Whether somebody answers what servers ask the user."""
        return self.on_elicitation is not None

    @property
    def protocol_version(self) -> str:
        """The protocol version that client and server agreed on."""
        return self.dialect.version

    @property
    def server_info(self) -> JsonObject:
        """`name` and `version` of the server, as far as it tells."""
        return self.dialect.server_info

    async def list_tools(self) -> list[Tool]:
        """The server's tools."""
        tools = await self.dialect.list_tools()
        self._tools = {tool.name: tool for tool in tools}
        return tools

    async def list_prompts(self) -> list[ListedPrompt]:
        """The server's prompts."""
        return [ListedPrompt.parse(item) for item in await self._list("prompts/list", "prompts")]

    async def list_resources(self) -> list[ListedResource]:
        """The server's resources, without those of templates."""
        return [ListedResource.parse(item) for item in await self._list("resources/list", "resources")]

    async def list_resource_templates(self) -> list[ListedResource]:
        """The server's resource templates."""
        items = await self._list("resources/templates/list", "resourceTemplates")
        return [ListedResource.parse(item) for item in items]

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        task: Literal[False] = False,
        raise_on_error: bool = False,
        **options: Unpack[CallOptions],
    ) -> ToolResult: ...

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        task: Literal[True],
        raise_on_error: bool = False,
        **options: Unpack[CallOptions],
    ) -> ToolTask: ...

    async def call_tool(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        task: bool = False,
        raise_on_error: bool = False,
        **options: Unpack[CallOptions],
    ) -> ToolResult | ToolTask:
        """Call a tool, as a task wherever the server offers that.

        A server that is being restarted and has seen nothing of the call is asked again for up to a minute.

        Args:
            name: the tool.
            arguments: its arguments.
            task: True gives the task as soon as it exists; False waits for its result. Cancelling that wait cancels
                the task, unless the call has an idempotency key.
            raise_on_error: raise ToolError where the tool reports an error, instead of returning that as its result.
            options: `ttl`, `on_progress`, `idempotency_key`; see CallOptions.

        Raises:
            McpError: the server refuses the call, or (where waited for) the call ended with an error.
            ConnectionFailedError: the server cannot be reached.
            ClientError: the tool's schema, where `list_tools` has brought it, does not have an argument of that name.
        """
        self._check_names(name, arguments or {})
        params: JsonObject = {"name": name, "arguments": arguments or {}}
        with client_span("tools/call", name) as span:
            handle = await self._invoke(ToolTask, "tools/call", params, self.tasks, **options)
            handle.raise_on_error = raise_on_error
            if task:
                return handle
            result = await self._awaited(handle, options.get("idempotency_key"))
            if result.is_error:
                mark_failed(span, "tool_error")
            return result

    @overload
    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: Literal[False] = False,
        **options: Unpack[CallOptions],
    ) -> PromptResult: ...

    @overload
    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: Literal[True],
        **options: Unpack[CallOptions],
    ) -> PromptTask: ...

    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: bool = False,
        **options: Unpack[CallOptions],
    ) -> PromptResult | PromptTask:
        """Render a prompt. As `call_tool`, but it becomes a task only where `task` asks for it or the prompt needs it.

        Arguments that are not text go out as JSON, since MCP has text only. The newer protocol version renders prompts
        inline: then the task has returned immediately.
        """
        text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (arguments or {}).items()}
        params: JsonObject = {"name": name, "arguments": text}
        with client_span("prompts/get", name):
            handle = await self._invoke(PromptTask, "prompts/get", params, task and self.tasks, **options)
            if task:
                return handle
            return await self._awaited(handle, options.get("idempotency_key"))

    @overload
    async def read_resource(
        self, uri: str, *, task: Literal[False] = False, **options: Unpack[CallOptions]
    ) -> ResourceResult: ...

    @overload
    async def read_resource(self, uri: str, *, task: Literal[True], **options: Unpack[CallOptions]) -> ResourceTask: ...

    async def read_resource(
        self, uri: str, *, task: bool = False, **options: Unpack[CallOptions]
    ) -> ResourceResult | ResourceTask:
        """Read a resource. As `get_prompt`, it becomes a task only where that is asked for or the resource needs it."""
        with client_span("resources/read", uri):
            handle = await self._invoke(ResourceTask, "resources/read", {"uri": uri}, task and self.tasks, **options)
            if task:
                return handle
            return await self._awaited(handle, options.get("idempotency_key"))

    async def result_piece(self, task_id: str, offset: int = 0, length: int | None = None) -> ResultPiece:
        """A piece of the result of a task that has ended, as a mcptasks server has it: JSON text.

        A server that cannot be reached, or has no room for it, is asked again for up to a minute.

        Args:
            task_id: the task, of this client or another one of the same user.
            offset: where the piece begins, in bytes; 0 or the `next_offset` of a piece.
            length: the most bytes that it is to have; as many as the server gives by default.

        Raises:
            McpError: the task is unknown, has not ended, or has no result; or nothing begins there.
            ClientError: the server does not give results in pieces, or gives another piece.
        """
        uri = f"task://{quote(task_id, safe='')}/result?offset={offset}"
        uri += "" if length is None else f"&length={length}"
        call = Invocation("resources/read", {"uri": uri}, as_task=False)
        answer = await retry(lambda: self.dialect.invoke(call, None))
        if isinstance(answer, TaskState):
            raise ClientError("the server has made a task of reading a task's result")
        piece = ResultPiece.parse(answer)
        if piece.offset != offset:
            raise ClientError(f"the server has answered with the piece at {piece.offset} in place of that at {offset}")
        return piece

    async def result_pieces(self, task_id: str, offset: int = 0) -> AsyncIterator[ResultPiece]:
        """The pieces of such a result from `offset` on, one after the other.

        Raises as `result_piece`, and ClientError where a piece is of another result than the first one.
        """
        first: ResultPiece | None = None
        following: int | None = offset
        while following is not None:
            piece = (await self.result_piece(task_id, following)).of_result(first)
            first, following = first or piece, piece.next_offset
            yield piece

    @overload
    def resume(self, task_id: str, *, on_progress: ProgressCallback | None = None) -> ToolTask: ...

    @overload
    def resume(self, task_id: str, kind: type[T], *, on_progress: ProgressCallback | None = None) -> T: ...

    def resume(
        self,
        task_id: str,
        kind: type[Task[Any]] = ToolTask,
        *,
        on_progress: ProgressCallback | None = None,
    ) -> Task[Any]:
        """The task of an id, which may be from another process. Nothing is sent yet.

        Servers do not tell what a task runs. It is taken for a tool's unless `kind` is PromptTask or ResourceTask; a
        result of another kind raises an error that names the right one.
        """
        return self._handle(kind, task_id, None, on_progress)

    def _check_names(self, name: str, arguments: JsonObject) -> None:
        """Refuse arguments that the tool's schema, as far as it is known, does not allow: many servers ignore them."""
        tool = self._tools.get(name)
        unknown = [] if tool is None else tool.unknown_arguments(arguments)
        if tool is not None and unknown:
            known = ", ".join(map(repr, tool.input_schema.get("properties") or {})) or "no arguments"
            raise ClientError(f"tool {name!r} has no {', '.join(map(repr, unknown))}: it takes {known}")

    async def list_tasks(self) -> list[TaskState]:
        """The caller's tasks, in the server's order.

        Not every server has such a list, and the newer protocol version has none at all. Without one, the tasks are
        those that this client has started or resumed and that can still be read, in that order.
        """
        listed = await self.dialect.list_tasks()
        if listed is not None:
            return listed
        states = []
        for task_id in dict.fromkeys(self._known_ids):
            try:
                states.append(await self.dialect.get_task(task_id))
            except McpError:
                self._known_ids.remove(task_id)
        return states

    async def _list(self, method: str, key: str) -> list[JsonObject]:
        """The list; empty where the server has no such method, since it has nothing of the kind then."""
        try:
            return await self.dialect.list_items(method, key)
        except McpError as error:
            if error.code != METHOD_NOT_FOUND:
                raise
            return []

    def keep_following(self, observer: Observer) -> None:
        """Follow a task until it ends or the client is closed, though nobody waits for it."""
        if observer not in self._kept_observers:
            self._kept_observers.add(observer)
            observer.on_change(_ignore)

    async def _invoke(
        self,
        kind: type[T],
        method: Method,
        params: JsonObject,
        as_task: bool,
        *,
        ttl: timedelta | Milliseconds | None = None,
        on_progress: ProgressCallback | None = None,
        idempotency_key: str | None = None,
    ) -> T:
        trace: dict[str, str] = {}
        inject(trace)
        call = Invocation(method, params, as_task, milliseconds(ttl), idempotency_key, trace)
        if ttl is not None and self.dialect.version != TAKES_TTL:
            logger.warning(
                "MCP %s leaves the ttl of tasks to the server: the ttl of %s is not sent (protocol %s takes it)",
                self.dialect.version,
                call.name,
                TAKES_TTL,
            )
        try:
            answer = await retry(partial(self.dialect.invoke, call, on_progress), transient=was_not_started)
        except ConnectionFailedError as error:
            raise _lost_call(error, idempotency_key) from error
        if isinstance(answer, TaskState):
            return self._handle(kind, answer.task_id, answer, on_progress)
        return kind(self, "", result=kind.parse(answer))

    def _handle(self, kind: type[T], task_id: str, state: TaskState | None, on_progress: ProgressCallback | None) -> T:
        observer = self._observers.get(task_id)
        if observer is None:
            observer = self._observers[task_id] = Observer(partial(self._follow, task_id), state)
            self._known_ids.append(task_id)
        if on_progress is not None:
            observer.on_progress(on_progress)
        return kind(self, task_id, observer)

    async def _follow(self, task_id: str, known: TaskState | None, on_state: OnState) -> TaskState:
        return await self.dialect.follow(task_id, known, on_state)

    async def _awaited(self, task: Task[R], idempotency_key: str | None) -> R:
        """The result of a task whose handle nobody gets: giving up the wait cancels it.

        Unless the call has an idempotency key: then the caller may come back.
        """
        try:
            return await task.result()
        except asyncio.CancelledError:
            if idempotency_key is None:
                self._cancel_in_background(task)
            raise

    def _cancel_in_background(self, task: Task[Any]) -> None:
        cancellation = asyncio.create_task(_cancel_if_possible(task))
        self._cancellations.add(cancellation)
        cancellation.add_done_callback(self._cancellations.discard)

    def _http(self) -> httpx2.AsyncClient:
        token = self.auth if isinstance(self.auth, str) else self.token
        headers = dict(self.headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return http_client(
            self.url,
            headers=headers,
            auth=None if isinstance(self.auth, str) else self.auth,
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None),
            # Every task that is followed holds a connection.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
            follow_redirects=True,
            event_hooks={"response": [partial(refuse_foreign_redirect, httpx2.URL(self.url))]},
        )


async def _cancel_if_possible(task: Task[Any]) -> None:
    with suppress(ClientError):
        await task.cancel()


def _lost_call(error: ConnectionFailedError, idempotency_key: str | None) -> ConnectionFailedError:
    """The error that says whether the server may have seen the call, and so whether it can be repeated."""
    if not error.may_have_arrived:
        return type(error)(f"{error}; the call was not sent")
    if idempotency_key is None:
        return ConnectionFailedError(f"{error}; the call may have been sent, and its tool may run")
    return ConnectionFailedError(
        f"{error}; the call may have been sent: the same call with the same idempotency key leads to its task"
    )


def _ignore(_state: TaskState) -> None:
    """The callback of those who only want the task to be followed."""
