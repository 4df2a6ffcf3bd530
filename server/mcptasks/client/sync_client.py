"""The client for scripts without an event loop: every call blocks.

with SyncClient("http://127.0.0.1:8000/mcp") as client:
    print(client.call_tool("report", {"top": 5}).text)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, Unpack, overload

import httpx2

from mcptasks.client.call_options import CallOptions
from mcptasks.client.call_results import PromptResult, ResourceResult, ResultPiece, ToolResult
from mcptasks.client.client import Client
from mcptasks.client.client_errors import ClientError
from mcptasks.client.elicitation import ElicitationHandler
from mcptasks.client.protocol.dialect import ListedPrompt, ListedResource, Tool
from mcptasks.client.task_handles import State, Task, ToolTask
from mcptasks.client.task_observer import StatusCallback
from mcptasks.client.task_state import TaskState
from mcptasks.model.base import JsonObject
from mcptasks.protocol.versions import ProtocolChoice

R = TypeVar("R")
T = TypeVar("T")


@dataclass(eq=False)
class _LoopThread:
    """An event loop in a thread of its own."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._serve, name="mcptasks-client", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.get_loop().run_forever()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The outcome of a coroutine. Interrupting the caller cancels it."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


@dataclass(eq=False, frozen=True)
class SyncTask(Generic[R]):
    """A call that runs as a task."""

    task: Task[R]
    _thread: _LoopThread

    @property
    def task_id(self) -> str:
        return self.task.task_id

    @property
    def returned_immediately(self) -> bool:
        """Whether the server answered at once instead of making a task of the call."""
        return self.task.returned_immediately

    def status(self) -> TaskState:
        """The task as the server has it now."""
        return self._thread.run(self.task.status())

    def wait(self, state: State | None = None, timeout: float | None = None) -> TaskState:
        """Wait until the task is in a state, or has ended; see `Task.wait`."""
        return self._thread.run(self.task.wait(state, timeout))

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end, then the result; see `Task.result`."""
        return self._thread.run(self.task.result(timeout))

    def cancel(self) -> None:
        """Cancel the task."""
        self._thread.run(self.task.cancel())

    def on_status_change(self, callback: StatusCallback) -> Callable[[], None]:
        """Call back at each change, in the client's own thread; see `Task.on_status_change`."""

        async def register() -> Callable[[], None]:
            return self.task.on_status_change(callback)

        remove = self._thread.run(register())
        return lambda: self._thread.run(_call(remove))


class SyncClient:
    """`Client`, for scripts. Use as a context manager. Safe to use from several threads.

    Callbacks run in the client's own thread, and must not call the client themselves; `on_elicitation` may block.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        auth: httpx2.Auth | str | None = None,
        headers: Mapping[str, str] | None = None,
        protocol: ProtocolChoice = "auto",
        tasks: bool = True,
        on_elicitation: ElicitationHandler | None = None,
        max_result_bytes: int | None = None,
    ) -> None:
        self.client = Client(url, token, auth, headers or {}, protocol, tasks, on_elicitation, max_result_bytes)
        self._running: _LoopThread | None = None
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        """Connect; raises as `Client` does."""
        with ExitStack() as stack:
            self._running = stack.enter_context(_LoopThread())
            self._running.run(self.client.__aenter__())
            stack.callback(lambda: self._thread.run(self.client.__aexit__(None, None, None)))
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()
        self._running = None

    @property
    def _thread(self) -> _LoopThread:
        if self._running is None:
            raise ClientError("the client is not open: use it as `with SyncClient(url) as client:`")
        return self._running

    @property
    def protocol_version(self) -> str:
        """The protocol version that client and server agreed on."""
        return self.client.protocol_version

    def list_tools(self) -> list[Tool]:
        """The server's tools."""
        return self._thread.run(self.client.list_tools())

    def list_prompts(self) -> list[ListedPrompt]:
        """The server's prompts."""
        return self._thread.run(self.client.list_prompts())

    def list_resources(self) -> list[ListedResource]:
        """The server's resources, without those of templates."""
        return self._thread.run(self.client.list_resources())

    def list_resource_templates(self) -> list[ListedResource]:
        """The server's resource templates."""
        return self._thread.run(self.client.list_resource_templates())

    def list_tasks(self) -> list[TaskState]:
        """The caller's tasks; see `Client.list_tasks`."""
        return self._thread.run(self.client.list_tasks())

    @overload
    def call_tool(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        task: Literal[False] = False,
        raise_on_error: bool = False,
        **options: Unpack[CallOptions],
    ) -> ToolResult: ...

    @overload
    def call_tool(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        task: Literal[True],
        raise_on_error: bool = False,
        **options: Unpack[CallOptions],
    ) -> SyncTask[ToolResult]: ...

    def call_tool(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        task: bool = False,
        raise_on_error: bool = False,
        **options: Unpack[CallOptions],
    ) -> ToolResult | SyncTask[ToolResult]:
        """Call a tool; see `Client.call_tool`."""
        if task:
            call = self.client.call_tool(name, arguments, task=True, raise_on_error=raise_on_error, **options)
            return self._started(call)
        return self._thread.run(self.client.call_tool(name, arguments, raise_on_error=raise_on_error, **options))

    @overload
    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: Literal[False] = False,
        **options: Unpack[CallOptions],
    ) -> PromptResult: ...

    @overload
    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: Literal[True],
        **options: Unpack[CallOptions],
    ) -> SyncTask[PromptResult]: ...

    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: bool = False,
        **options: Unpack[CallOptions],
    ) -> PromptResult | SyncTask[PromptResult]:
        """Render a prompt; see `Client.get_prompt`."""
        if task:
            return self._started(self.client.get_prompt(name, arguments, task=True, **options))
        return self._thread.run(self.client.get_prompt(name, arguments, **options))

    @overload
    def read_resource(
        self, uri: str, *, task: Literal[False] = False, **options: Unpack[CallOptions]
    ) -> ResourceResult: ...

    @overload
    def read_resource(
        self, uri: str, *, task: Literal[True], **options: Unpack[CallOptions]
    ) -> SyncTask[ResourceResult]: ...

    def read_resource(
        self, uri: str, *, task: bool = False, **options: Unpack[CallOptions]
    ) -> ResourceResult | SyncTask[ResourceResult]:
        """Read a resource; see `Client.read_resource`."""
        if task:
            return self._started(self.client.read_resource(uri, task=True, **options))
        return self._thread.run(self.client.read_resource(uri, **options))

    def result_piece(self, task_id: str, offset: int = 0, length: int | None = None) -> ResultPiece:
        """A piece of the result of a task that has ended; see `Client.result_piece`."""
        return self._thread.run(self.client.result_piece(task_id, offset, length))

    def result_pieces(self, task_id: str, offset: int = 0) -> Iterator[ResultPiece]:
        """The pieces of such a result from `offset` on, one after the other; see `Client.result_pieces`."""
        pieces = self.client.result_pieces(task_id, offset)
        while (piece := self._thread.run(_next(pieces))) is not None:
            yield piece

    @overload
    def resume(self, task_id: str) -> SyncTask[ToolResult]: ...

    @overload
    def resume(self, task_id: str, kind: type[Task[R]]) -> SyncTask[R]: ...

    def resume(self, task_id: str, kind: type[Task[Any]] = ToolTask) -> SyncTask[Any]:
        """The task of an id, which may be from another process; see `Client.resume`."""

        async def handle() -> Task[Any]:
            return self.client.resume(task_id, kind)

        return self._started(handle())

    def _started(self, call: Coroutine[Any, Any, Task[R]]) -> SyncTask[R]:
        return SyncTask(self._thread.run(call), self._thread)


async def _next(items: AsyncIterator[T]) -> T | None:
    """The next item; None where there is none any more."""
    return await anext(items, None)


async def _call(function: Callable[[], T]) -> T:
    return function()
