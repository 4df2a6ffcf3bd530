"""A small MCP server whose answers a test decides: one protocol version, over real HTTP, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from mcptasks.model.base import JsonObject

OLD = "2025-11-25"
NEW = "2026-07-28"
TASK_ID = "job-1"
SCHEMA = {"type": "object", "properties": {"top": {"type": "integer"}, "names": {"type": "array"}}}
AUGMENTABLE: JsonObject = {"tools": {"call": {}}, "prompts": {"get": {}}, "resources": {"read": {}}}
RESULT: JsonObject = {"content": [{"type": "text", "text": "done"}], "isError": False}


@dataclass(frozen=True)
class ClientRequest:
    """A request as it came."""

    method: str
    params: JsonObject
    headers: dict[str, str]

    @property
    def meta(self) -> JsonObject:
        return dict(self.params.get("_meta") or {})


@dataclass(frozen=True)
class RpcFault:
    """Answer with a JSON-RPC error."""

    code: int
    message: str
    data: Any = None
    status: int = 200


@dataclass(frozen=True)
class HttpFault:
    """Answer with an HTTP error and no JSON-RPC; status 0 breaks the connection."""

    status: int
    text: str = "not today"


@dataclass
class FakeServer:
    """Serves tools `work` (task optional) and `quick` (never a task). `statuses` is what tasks/get says, in turn."""

    version: str = NEW
    transport: Literal["json", "sse"] = "json"
    statuses: list[str] = field(default_factory=lambda: ["working", "completed"])
    result: JsonObject = field(default_factory=lambda: dict(RESULT))
    error: RpcFault | None = None
    message: str | None = None
    progress: list[JsonObject] = field(default_factory=list)
    becomes_task: bool = True
    result_type: str = "complete"
    with_sessions: bool = False
    token: str | None = None
    faults: dict[str, list[RpcFault | HttpFault]] = field(default_factory=dict)
    received: list[ClientRequest] = field(default_factory=list)
    hold: threading.Event | None = None
    sessions: set[str] = field(default_factory=set)
    url: str = ""
    poll_ms: int = 10
    questions: dict[str, JsonObject] = field(default_factory=dict)
    """Params of the elicitations that the task puts before it completes, by key."""
    lists: dict[str, JsonObject] = field(default_factory=dict)
    """Results of methods that list something, by method."""
    answers: dict[str, JsonObject] = field(default_factory=dict)
    tells: list[str] = field(default_factory=list)
    """Statuses that the server tells on a stream, without being asked; then tasks/get has the last one."""

    def methods(self) -> list[str]:
        """Methods of all requests so far."""
        return [request.method for request in self.received]

    def last(self, method: str) -> ClientRequest:
        """The last request of a method."""
        return next(request for request in reversed(self.received) if request.method == method)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="who are you?")
        if request.method == "DELETE":
            self.received.append(ClientRequest("DELETE", {}, {k.lower(): v for k, v in request.headers.items()}))
            return web.Response()
        if request.method == "GET":
            refusal = {"code": -32600, "message": "Method Not Allowed"}
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": refusal}, status=405)
        body = await request.json()
        headers = {name.lower(): value for name, value in request.headers.items()}
        if "method" not in body:
            if self.faults.get("response"):
                return await self._respond(request, {**body, "method": "response"})
            self.answers[str(body["id"])] = body.get("result") or body["error"]
            return web.Response(status=202)
        self.received.append(ClientRequest(body["method"], body.get("params") or {}, headers))
        if "id" not in body:
            return web.Response(status=202)
        return await self._respond(request, body)

    async def _respond(self, request: web.Request, body: JsonObject) -> web.StreamResponse:
        fault = self._fault(body, request)
        if isinstance(fault, HttpFault):
            if not fault.status:
                assert request.transport is not None
                request.transport.close()
            return web.Response(status=fault.status or 500, text=fault.text)
        if fault is None and self._streams(body["method"]):
            return await self._tell(request, body)
        answer: JsonObject = {"jsonrpc": "2.0", "id": body["id"]}
        outcome = fault or self._answer(body["method"], body.get("params") or {})
        if isinstance(outcome, RpcFault):
            error = {"code": outcome.code, "message": outcome.message}
            answer["error"] = error if outcome.data is None else {**error, "data": outcome.data}
            return web.json_response(answer, status=outcome.status)
        answer["result"] = outcome
        extra = {}
        if body["method"] == "initialize" and self.with_sessions:
            session = f"session-{len(self.sessions) + 1}"
            self.sessions.add(session)
            extra = {"Mcp-Session-Id": session}
        if self.transport == "json":
            return web.json_response(answer, headers=extra)
        return await self._stream(request, body, answer, extra)

    async def _stream(
        self, request: web.Request, body: JsonObject, answer: JsonObject, extra: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **extra})
        await response.prepare(request)
        await response.write(b": ping\r\n\r\n")
        token = ((body.get("params") or {}).get("_meta") or {}).get("progressToken")
        for report in self.progress if body["method"] == "tools/call" and token else ():
            params = {"progressToken": token, **report}
            await self._event(response, {"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        # In two halves, so that a client that takes a chunk for an event fails.
        data = f"event: message\r\ndata: {json.dumps(answer, ensure_ascii=False)}\r\n\r\n".encode()
        await response.write(data[: len(data) // 2])
        await asyncio.sleep(0)
        await response.write(data[len(data) // 2 :])
        return response

    def _streams(self, method: str) -> bool:
        if method == "tasks/result":
            return bool(self.questions or self.tells)
        return method == "subscriptions/listen" and bool(self.tells)

    async def _tell(self, request: web.Request, body: JsonObject) -> web.StreamResponse:
        """The stream on which the server speaks first; it ends with the answer."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if self.version == NEW:
            ack = {"notifications": body["params"]["notifications"]}
            await self._event(response, {"method": "notifications/subscriptions/acknowledged", "params": ack})
        for key, params in self.questions.items():
            related = {"_meta": {"io.modelcontextprotocol/related-task": {"taskId": TASK_ID}}}
            ask = {"id": key, "method": "elicitation/create", "params": {**params, **related}}
            # Twice, as after a restart: nobody is to be asked twice.
            await self._event(response, ask)
            await self._event(response, ask)
            while key not in self.answers:  # noqa: ASYNC110 (another thread's test may set it as well)
                await asyncio.sleep(0.01)
        for status in self.tells:
            method = "notifications/tasks" if self.version == NEW else "notifications/tasks/status"
            await self._event(response, {"method": method, "params": self._task(status)})
            self.statuses = [status]
            await asyncio.sleep(0.05)
        self.statuses = ["completed"]
        result = {"resultType": "complete"} if self.version == NEW else self.result
        await self._event(response, {"id": body["id"], "result": result})
        return response

    @staticmethod
    async def _event(response: web.StreamResponse, message: JsonObject) -> None:
        await response.write(f"data: {json.dumps({'jsonrpc': '2.0', **message})}\n\n".encode())

    def _fault(self, body: JsonObject, request: web.Request) -> RpcFault | HttpFault | None:
        method = body["method"]
        if self.with_sessions and method != "initialize" and request.headers.get("mcp-session-id") not in self.sessions:
            return HttpFault(404, "session not found")
        if self.faults.get(method):
            return self.faults[method].pop(0)
        if self.version == OLD and method == "server/discover":
            return RpcFault(-32600, "Bad Request: Unsupported protocol version", status=400)
        if self.version == NEW and method == "initialize":
            return RpcFault(-32602, "no handshake here", status=400)
        return None

    def _answer(self, method: str, params: JsonObject) -> JsonObject | RpcFault:
        match method:
            case "initialize":
                return {
                    "protocolVersion": OLD,
                    "capabilities": {"tasks": {"cancel": {}, "list": {}, "requests": AUGMENTABLE}},
                    "serverInfo": {"name": "fake", "version": "1"},
                }
            case "server/discover":
                return {"resultType": "complete", "supportedVersions": [NEW], "capabilities": {}}
            case method if method in self.lists:
                return self.lists[method]
            case "tools/list":
                return self._tools(params.get("cursor"))
            case "tools/call" | "prompts/get" | "resources/read":
                return self._call(method, params)
            case _:
                return self._answer_about_task(method, params)

    def _answer_about_task(self, method: str, params: JsonObject) -> JsonObject | RpcFault:
        outstanding = self._outstanding() if self.version == NEW else {}
        match method:
            case "tasks/list" if self.version == OLD:
                return {"tasks": [self._task("working")]}
            case "tasks/update" if self.version == NEW:
                self.answers |= params["inputResponses"]
                return {"resultType": "complete"}
            case "tasks/get" if outstanding:
                return {**self._task("input_required"), "inputRequests": _requests(outstanding)}
            case "tasks/get":
                return self._task(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])
            case "tasks/result":
                related = {"io.modelcontextprotocol/related-task": {"taskId": TASK_ID}}
                return self.error or {**self.result, "_meta": related}
            case "tasks/cancel":
                self.statuses = ["cancelled"]
                return self._task("cancelled") if self.version == OLD else {"resultType": "complete"}
            case _:
                return RpcFault(-32601, "Method not found")

    @staticmethod
    def _tools(cursor: str | None) -> JsonObject:
        if cursor is None:
            work = {"name": "work", "inputSchema": SCHEMA, "execution": {"taskSupport": "optional"}}
            return {"tools": [work], "nextCursor": "2"}
        return {"tools": [{"name": "quick", "description": "At once.", "inputSchema": {"type": "object"}}]}

    def _call(self, method: str, params: JsonObject) -> JsonObject | RpcFault:
        asked = "task" in params if self.version == OLD else method == "tools/call" and bool(_extensions(params))
        if self.version == NEW and self._asks_first(params):
            requests = _requests(self.questions)
            return {"resultType": "input_required", "inputRequests": requests, "requestState": "sealed"}
        if params.get("name") != "quick" and asked and self.becomes_task:
            task = self._task("working")
            return {"task": task} if self.version == OLD else {**task, "resultType": "task"}
        return self.error or (self.result if self.version == OLD else {**self.result, "resultType": self.result_type})

    def _outstanding(self) -> dict[str, JsonObject]:
        return {key: params for key, params in self.questions.items() if key not in self.answers}

    def _asks_first(self, params: JsonObject) -> bool:
        """Whether the call asks before it does anything: that of `quick` does, until it has its answers."""
        return params.get("name") == "quick" and bool(self.questions) and "inputResponses" not in params

    def _task(self, status: str) -> JsonObject:
        task: JsonObject = {
            "taskId": TASK_ID,
            "status": status,
            "createdAt": "2026-11-22T12:00:00Z",
            "lastUpdatedAt": "2026-11-22T12:00:01Z",
        }
        if self.message is not None:
            task["statusMessage"] = self.message
        if self.version == OLD:
            return {**task, "ttl": 60_000, "pollInterval": self.poll_ms}
        task |= {"resultType": "complete", "ttlMs": 60_000, "pollIntervalMs": self.poll_ms}
        if status == "completed":
            task["result"] = {"resultType": "complete", **self.result}
        if status == "failed" and self.error is not None:
            task["error"] = {"code": self.error.code, "message": self.error.message, "data": self.error.data}
        return task


def _requests(questions: dict[str, JsonObject]) -> JsonObject:
    return {key: {"method": "elicitation/create", "params": params} for key, params in questions.items()}


def _extensions(params: JsonObject) -> JsonObject:
    capabilities = (params.get("_meta") or {}).get("io.modelcontextprotocol/clientCapabilities") or {}
    return dict(capabilities.get("extensions") or {})


@contextmanager
def serving(server: FakeServer) -> Iterator[FakeServer]:
    """Serve until the end of the block."""
    started = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        server.url = f"http://127.0.0.1:{port}/mcp"
        stopping = asyncio.Event()
        running.append((asyncio.get_running_loop(), stopping))
        started.set()
        await stopping.wait()
        # A client that gives up a request leaves connections that were accepted in this very moment. A server that is
        # closed before they have begun forgets them, and their sockets stay open (python/cpython#109564).
        for sock in site._server.sockets:  # type: ignore[attr-defined]
            running[0][0].remove_reader(sock)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await runner.cleanup()

    # `asyncio.run` also ends connections that nobody serves yet.
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(30)
        yield server
    finally:
        for loop, stopping in running:
            loop.call_soon_threadsafe(stopping.set)
        thread.join()
