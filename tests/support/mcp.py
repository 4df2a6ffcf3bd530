"""An MCP client of a few lines: raw JSON-RPC over HTTP, as clients of either protocol version send it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2

from mcptasks.model.base import JsonObject

OLD = "2025-11-25"
NEW = "2026-07-28"
EXTENSION = "io.modelcontextprotocol/tasks"
TERMINAL = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class McpAnswer:
    """An HTTP answer: its status and the JSON-RPC messages in it, the answer last."""

    status: int
    messages: list[JsonObject]
    headers: Mapping[str, str] = field(default_factory=dict)

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


@dataclass
class Stream:
    """A stream that the server ends, or the client: its messages, one after the other as they arrive."""

    response: httpx2.Response

    def __post_init__(self) -> None:
        self._messages = self._read()

    def __iter__(self) -> Iterator[JsonObject]:
        return self._messages

    def next(self) -> JsonObject:
        """The next message, once it is there."""
        return next(self._messages)

    def rest(self) -> list[JsonObject]:
        """All that still comes, up to the end of the stream."""
        return list(self._messages)

    def _read(self) -> Iterator[JsonObject]:
        pending = b""
        for chunk in self.response.iter_raw():
            *lines, pending = (pending + chunk).split(b"\n")
            yield from (json.loads(line[5:]) for line in lines if line.startswith(b"data:") and line[5:].strip())
        if self.response.headers["content-type"] == "application/json":
            yield json.loads(pending)


def _unconnected() -> httpx2.Client:
    return httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0))


@dataclass(frozen=True)
class RawClient:
    """Talks to one MCP endpoint, over a new connection for each request: any replica may get it."""

    url: str
    timeout: float | httpx2.Timeout = 60
    http: httpx2.Client = field(default_factory=_unconnected, repr=False, compare=False)

    def old(self, method: str, params: JsonObject | None = None, **headers: str) -> McpAnswer:
        """A request of protocol version 2025-11-25, without a session."""
        return self.post(method, params, {"mcp-protocol-version": OLD, **headers})

    def new(
        self, method: str, params: JsonObject | None = None, *, extension: bool = True, **headers: str
    ) -> McpAnswer:
        """A request of protocol version 2026-07-28; `mcp_name` and the like are headers."""
        return self.post(method, *_new(method, params, extension, headers))

    @contextmanager
    def stream(
        self, method: str, params: JsonObject | None = None, *, extension: bool = True, **headers: str
    ) -> Iterator[Stream]:
        """The same, for an answer that is read while it comes; leaving it closes the connection."""
        with self._stream(*_new(method, params, extension, headers), method) as stream:
            yield stream

    @contextmanager
    def old_stream(self, method: str, params: JsonObject, **headers: str) -> Iterator[Stream]:
        """The same in 2025-11-25."""
        with self._stream(params, {"mcp-protocol-version": OLD, **headers}, method) as stream:
            yield stream

    @contextmanager
    def _stream(self, params: JsonObject, headers: dict[str, str], method: str) -> Iterator[Stream]:
        verify = self.url.startswith("https")
        with (
            httpx2.Client(timeout=self.timeout, verify=verify) as client,
            client.stream("POST", self.url, json=_body(method, params), headers=ACCEPT | headers) as response,
        ):
            yield Stream(response)

    def post(self, method: str, params: JsonObject | None, headers: dict[str, str]) -> McpAnswer:
        response = self._send(_body(method, params or {}), headers)
        lines = [line[5:].strip() for line in response.text.split("\n") if line.startswith("data:")]
        texts = [line for line in lines if line] or [response.text]
        return McpAnswer(response.status_code, [json.loads(text) for text in texts], response.headers)

    def hello(self, capabilities: JsonObject, **headers: str) -> dict[str, str]:
        """The handshake of 2025-11-25; gives the header that belongs to all later requests of the client."""
        hello = {"protocolVersion": OLD, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}}
        session = self.post("initialize", hello, headers).headers["mcp-session-id"]
        return {"mcp-session-id": session, **headers}

    def respond(self, request_id: object, outcome: JsonObject, **headers: str) -> httpx2.Response:
        """A 2025-11-25 client's response to a request of the server's: `outcome` has its `result` or `error`."""
        body = {"jsonrpc": "2.0", "id": request_id, **outcome}
        return self._send(body, {"mcp-protocol-version": OLD, **headers})

    def _send(self, body: JsonObject, headers: dict[str, str]) -> httpx2.Response:
        return self.http.post(self.url, json=body, headers=ACCEPT | headers, timeout=self.timeout)

    def create(self, tool: str, arguments: JsonObject | None = None, **task: Any) -> str:
        """Call a tool as a task and give the task's id."""
        answer = self.old("tools/call", {"name": tool, "arguments": arguments or {}, "task": task})
        return str(answer.result["task"]["taskId"])

    def get(self, task_id: str) -> JsonObject:
        return self.old("tasks/get", {"taskId": task_id}).result

    def cancel(self, task_id: str) -> JsonObject:
        return self.old("tasks/cancel", {"taskId": task_id}).result

    def result(self, task_id: str) -> JsonObject:
        """The result; waits for the end."""
        return self.old("tasks/result", {"taskId": task_id}).result

    def wait(self, task_id: str, *states: str, seconds: float = 60, every: float = 0.1) -> JsonObject:
        """Poll until the task is in one of the states (any terminal one by default)."""
        wanted = states or TERMINAL
        deadline = time.monotonic() + seconds
        while True:
            task = self.get(task_id)
            if task["status"] in wanted:
                return task
            assert time.monotonic() < deadline, f"not {' or '.join(wanted)} within {seconds:.0f} s: {task}"
            time.sleep(every)


ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


def _body(method: str, params: JsonObject) -> JsonObject:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _new(
    method: str, params: JsonObject | None, extension: bool, headers: dict[str, str]
) -> tuple[JsonObject, dict[str, str]]:
    """Params and headers of a request of protocol version 2026-07-28."""
    capabilities: JsonObject = {"extensions": {EXTENSION: {}}} if extension else {}
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
    return params, {**known, **{key.replace("_", "-"): value for key, value in headers.items()}}
