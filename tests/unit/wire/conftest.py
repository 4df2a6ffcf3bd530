"""An MCP endpoint over raw HTTP, with tasks in memory that the tests end by hand."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
import uvicorn

from mcptasks import TaskConfig, TaskServer, progress
from mcptasks.http import endpoint_app
from mcptasks.kube.cache import WatchCache
from mcptasks.kube.client import KubeClient
from mcptasks.kube.resources import MCP_TASKS
from mcptasks.kube.tasks import TaskClient
from mcptasks.lifecycle import Ending, end, utc_now
from mcptasks.resources import JsonObject, Phase, Reason, ResultRecord, TaskError
from mcptasks.results import Results
from mcptasks.service import TaskService
from mcptasks.settings import Settings
from tests.support.doubles import MemoryTasks

OLD = "2025-11-25"
NEW = "2026-07-28"
EXTENSION = "io.modelcontextprotocol/tasks"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: its status, and the last JSON-RPC message in it."""

    status: int
    messages: list[JsonObject]

    @property
    def message(self) -> JsonObject:
        return self.messages[-1]

    @property
    def result(self) -> JsonObject:
        assert "result" in self.message, self.message
        return cast(JsonObject, self.message["result"])

    @property
    def error(self) -> JsonObject:
        assert "error" in self.message, self.message
        return cast(JsonObject, self.message["error"])


@dataclass(frozen=True)
class Endpoint:
    """Sends JSON-RPC over HTTP as clients of either protocol version do."""

    url: str
    service: TaskService
    tasks: MemoryTasks
    loop: asyncio.AbstractEventLoop

    def old(self, method: str, params: JsonObject | None = None, **headers: str) -> Answer:
        return self._post(method, params, {"mcp-protocol-version": OLD, **headers})

    def new(self, method: str, params: JsonObject | None = None, *, extension: bool = True, **headers: str) -> Answer:
        capabilities = {"extensions": {EXTENSION: {}}} if extension else {}
        meta = {
            "io.modelcontextprotocol/protocolVersion": NEW,
            "io.modelcontextprotocol/clientCapabilities": capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        }
        params = {**(params or {})}
        params["_meta"] = {**meta, **params.get("_meta", {})}
        known = {"mcp-protocol-version": NEW, "mcp-method": method}
        if "name" in params:
            known["mcp-name"] = params["name"]
        return self._post(method, params, {**known, **{key.replace("_", "-"): v for key, v in headers.items()}})

    def _post(self, method: str, params: JsonObject | None, headers: dict[str, str]) -> Answer:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        accept = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        response = httpx.post(self.url, json=body, headers=accept | headers, timeout=20)
        lines = [line[5:].strip() for line in response.text.splitlines() if line.startswith("data:")]
        texts = [line for line in lines if line] or [response.text]
        return Answer(response.status_code, [json.loads(text) for text in texts])

    def create(self, tool: str = "add", ttl: int | None = None) -> str:
        task: JsonObject = {} if ttl is None else {"ttl": ttl}
        answer = self.old("tools/call", {"name": tool, "arguments": {"a": 1, "b": 2}, "task": task})
        return str(answer.result["task"]["taskId"])

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

    def fail(self, task_id: str, reason: Reason, message: str, error: TaskError | None = None) -> None:
        self.change(task_id, Ending(Phase.FAILED, reason, message, error=error))


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

    return mcp


@contextmanager
def serving(settings: Settings) -> Iterator[Endpoint]:
    """The endpoint on a free port, in a thread of its own."""
    tasks = MemoryTasks()
    # The cache is fed by hand, so it never asks the client for anything.
    cache = WatchCache(cast(KubeClient, None), MCP_TASKS, "default")
    cache.synced.set()
    service = TaskService(settings, "default", cast(TaskClient, tasks), cache, Results.from_settings(settings))
    server = make_server()
    server.serve_tasks(service)
    sock = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        endpoint_app(server, service, settings), log_config=None, timeout_graceful_shutdown=1, ws="none"
    )
    http = uvicorn.Server(config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(http.serve([sock])))
    thread.start()
    try:
        yield Endpoint(f"http://127.0.0.1:{sock.getsockname()[1]}/mcp", service, tasks, loop)
    finally:
        http.should_exit = True
        thread.join(20)
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
