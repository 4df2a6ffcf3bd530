"""A gateway for the runner's tests: real HTTP on the loopback interface, with answers as the test wants them."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mcptasks.gateway.contract import ASSIGNMENT_PATH, OUTCOME_PATH, PROGRESS_PATH, Assignment, Refusal, RefusalCode
from mcptasks.model.task import Component

WAIT_SECONDS = 20.0


@dataclass(frozen=True)
class GatewayAnswer:
    """A status and a body; `close` cuts the connection instead, `seconds` waits first."""

    status: int = 204
    body: bytes = b""
    close: bool = False
    seconds: float = 0


@dataclass(frozen=True)
class RunnerRequest:
    """A request that came in."""

    path: str
    token: str
    body: Any
    at: float


def refusal(status: int, code: RefusalCode, message: str = "no") -> GatewayAnswer:
    return GatewayAnswer(status, Refusal(code=code, message=message).model_dump_json(by_alias=True).encode())


def an_assignment(tool: str, arguments: str = "{}", **changes: Any) -> Assignment:
    """An assignment for a tool."""
    fields: dict[str, Any] = {
        "task_id": "task-1",
        "namespace": "default",
        "uid": "uid-1",
        "attempt": 1,
        "server": "default",
        "component": changes.get("component") or Component(name=tool),
        "arguments_text": arguments,
        "progress_interval_seconds": 0.05,
        "timeout_seconds": 60,
        "max_result_bytes": 1_048_576,
        "show_exceptions": True,
    }
    return Assignment(**fields | changes)


@dataclass
class FakeGateway:
    """Answers each path with what the test has put in its queue, and then with success."""

    assignment: Assignment = field(default_factory=lambda: an_assignment("none"))
    answers: dict[str, deque[GatewayAnswer]] = field(
        default_factory=lambda: {ASSIGNMENT_PATH: deque(), PROGRESS_PATH: deque(), OUTCOME_PATH: deque()}
    )
    received: list[RunnerRequest] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    def will(self, path: str, *answers: GatewayAnswer) -> None:
        """Answer the next requests for the path like this."""
        self.answers[path].extend(answers)

    def requests(self, path: str) -> list[RunnerRequest]:
        return [request for request in self.received if request.path == path]

    def progress(self) -> list[Any]:
        return [request.body for request in self.requests(PROGRESS_PATH)]

    def outcome(self) -> Any:
        """The one outcome that was delivered."""
        delivered = self.requests(OUTCOME_PATH)
        assert len(delivered) == 1
        return delivered[0].body

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_SECONDS), "the gateway waited in vain"

    def take(self, request: RunnerRequest) -> GatewayAnswer:
        with self._changed:
            self.received.append(request)
            self._changed.notify_all()
            if self.answers[request.path]:
                return self.answers[request.path].popleft()
        if request.path == ASSIGNMENT_PATH:
            return GatewayAnswer(200, self.assignment.model_dump_json(by_alias=True).encode())
        return GatewayAnswer()

    @contextmanager
    def running(self) -> Iterator[FakeGateway]:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Runners that are killed leave their connections; anything else is a fault of the test's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(gateway: FakeGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            answer = gateway.take(RunnerRequest(self.path, token, body, time.monotonic()))
            time.sleep(answer.seconds)
            self.close_connection = True
            if answer.close:
                return
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep quiet."""

    return Handler
