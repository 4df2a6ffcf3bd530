"""An MCP endpoint over raw HTTP, with tasks in memory that the tests end by hand."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest
import uvicorn
from mcp.server.mcpserver import Context
from pydantic import BaseModel

from mcptasks import TaskConfig, TaskServer, progress
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import TaskClient
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.metrics.server_metrics import ServerMetrics, ServerState
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Ending, end, utc_now
from mcptasks.model.task import Phase, Reason, ResultRecord, TaskError
from mcptasks.server.auth.authentication import Authentication
from mcptasks.server.mcp_endpoint import endpoint_app
from mcptasks.server.sockets import listening_socket
from mcptasks.settings import Settings
from mcptasks.stores.results import Results
from mcptasks.tasks.cached_tasks import amounts_of, cached, group_of
from mcptasks.tasks.service import TaskService
from tests.support.doubles import MemoryTasks
from tests.support.mcp import McpAnswer, RawClient


@dataclass(frozen=True, kw_only=True, repr=False)
class Endpoint(RawClient):
    """The endpoint under test and what is behind it."""

    service: TaskService
    tasks: MemoryTasks
    loop: asyncio.AbstractEventLoop
    metrics: ServerMetrics

    def make(self, tool: str = "add") -> str:
        """A new task."""
        return self.create(tool, {"a": 1, "b": 2} if tool == "add" else {})

    def change(self, task_id: str, ending: Ending | Callable[[Any], JsonObject | None]) -> None:
        """Write a status as gateway or operator would, and let the watch cache see it."""

        async def write() -> None:
            change = (
                (lambda task: end(task, ending, utc_now(), self.service.retention))
                if isinstance(ending, Ending)
                else ending
            )
            self.service.cache.add(await self.tasks.update_status(self.tasks.items[task_id], change))

        asyncio.run_coroutine_threadsafe(write(), self.loop).result(10)

    def complete(self, task_id: str, result: JsonObject | None = None, *, is_error: bool = False) -> None:
        text = json.dumps(result or {"content": [{"type": "text", "text": "3"}], "structuredContent": {"result": 3}})
        record = ResultRecord(text=text, size_bytes=len(text), sha256=hashlib.sha256(text.encode()).hexdigest())
        phase, reason = (Phase.FAILED, Reason.TOOL_ERROR) if is_error else (Phase.COMPLETED, Reason.COMPLETED)
        self.change(task_id, Ending(phase, reason, "it broke" if is_error else "done", result=record))

    def drain(self) -> None:
        """Shut down, as far as callers can see it."""
        self.loop.call_soon_threadsafe(self.service.draining.set)

    def close_down(self) -> None:
        """The time to shut down is over."""
        self.loop.call_soon_threadsafe(self.service.closing.set)

    def fail(self, task_id: str, reason: Reason, message: str, error: TaskError | None = None) -> None:
        self.change(task_id, Ending(Phase.FAILED, reason, message, error=error))


def ask(endpoint: Endpoint, version: str, token: str, method: str, params: JsonObject) -> McpAnswer:
    """A request with an access token, `old` or `new` by its protocol version."""
    authorization = f"Bearer {token}"
    if version == "old":
        return endpoint.old(method, params, authorization=authorization)
    return endpoint.new(method, params, authorization=authorization)


class Confirmation(BaseModel):
    ok: bool = True


def make_server() -> TaskServer[Any]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    @mcp.tool()
    def add(a: int, b: int) -> int:
        progress(1, 2, "adding")
        return a + b

    @mcp.tool(task=TaskConfig(mode="required", ttl=90, poll_interval=0.5))
    def must(a: int) -> int:
        return a

    @mcp.tool(task=False)
    def never(a: int) -> int:
        return a

    @mcp.tool()
    async def ask(ctx: Context[Any]) -> str:
        return (await ctx.elicit("sure?", Confirmation)).action

    return mcp


@contextmanager
def serving(
    settings: Settings,
    server: TaskServer[Any] | None = None,
    tasks: MemoryTasks | None = None,
    authentication: Authentication | None = None,
) -> Iterator[Endpoint]:
    """The endpoint on a free port, in a thread of its own; several may be replicas that share `tasks`."""
    server = server or make_server()
    tasks = tasks or MemoryTasks()
    # The cache is fed by hand, so it never asks the client for anything.
    cache = WatchCache(cast(KubeClient, None), MCP_TASKS, "default", trim=cached, group=group_of, amounts=amounts_of)
    cache.synced.set()
    service = TaskService(settings, "default", cast(TaskClient, tasks), cache, Results.from_settings(settings))
    metrics = ServerMetrics(ServerState(cache, service.draining.is_set))
    server.serve_tasks(service, metrics)
    sock = listening_socket("127.0.0.1", 0, "the port")
    app = endpoint_app(server, service, settings, authentication)
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, ws="none")
    http = uvicorn.Server(config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(http.serve([sock])))
    thread.start()
    try:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
        yield Endpoint(url=url, timeout=20, service=service, tasks=tasks, loop=loop, metrics=metrics)
    finally:
        http.should_exit = True
        thread.join(20)
        # The SSE library leaves a watcher behind.
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        if pending:
            loop.run_until_complete(asyncio.wait(pending))
        loop.close()
        sock.close()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with serving(Settings()) as served:
        yield served


@pytest.fixture(scope="module")
def single_user_endpoint() -> Iterator[Endpoint]:
    with serving(Settings(single_user=True)) as served:
        yield served
