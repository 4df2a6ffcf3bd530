"""A gateway that hands out work, for the tests of workers: real HTTP on the loopback interface."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mcptasks.gateway.contract import (
    ATTEMPT_HEADER,
    INPUT_PATH,
    OUTCOME_PATH,
    PROGRESS_PATH,
    TASK_HEADER,
    TASK_UID_HEADER,
    WORK_PATH,
    AliveOrder,
    Assignment,
    EndOrder,
    Order,
    PrepareOrder,
    RunOrder,
)
from tests.support.fake_gateway import GatewayAnswer, an_assignment

WAIT_SECONDS = 90.0


@dataclass(frozen=True)
class WorkerRequest:
    """A request of a worker, about an attempt."""

    path: str
    task: str
    uid: str
    attempt: int
    body: Any
    at: float


@dataclass(eq=False)
class WorkConnection:
    """One worker's stream. What is put into `orders` is sent; None ends the stream."""

    query: dict[str, str]
    orders: queue.SimpleQueue[Order | None] = field(default_factory=queue.SimpleQueue)
    silent: bool = False
    """Whether nothing more is to come: neither orders nor a sign of life, and no end either."""


@dataclass
class WorkGateway:
    """Takes what workers say, and sends them what the test orders."""

    alive_seconds: float = 0.5
    keeps_connections: bool = False
    connections: list[WorkConnection] = field(default_factory=list)
    received: list[WorkerRequest] = field(default_factory=list)
    answers: dict[str, deque[GatewayAnswer]] = field(
        default_factory=lambda: {PROGRESS_PATH: deque(), INPUT_PATH: deque(), OUTCOME_PATH: deque()}
    )
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _server: ThreadingHTTPServer | None = None
    _stopped: bool = False

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def connection(self) -> WorkConnection:
        """The newest stream, as soon as there is one."""
        self.wait_for(lambda: bool(self.connections))
        return self.connections[-1]

    def order(self, *orders: Order) -> None:
        """Send this to the worker that has connected last."""
        for order in orders:
            self.connection.orders.put(order)

    def run(self, tool: str, arguments: str = "{}", uid: str = "uid-1", **changes: Any) -> Assignment:
        """Order a task to be prepared and run."""
        changes = {"task_id": uid.replace("uid", "task"), "uid": uid} | changes
        assignment = an_assignment(tool, arguments, **changes)
        self.order(PrepareOrder(task_id=assignment.task_id, uid=uid), RunOrder(uid=uid, assignment=assignment))
        return assignment

    def end(self, uid: str = "uid-1", attempt: int = 1) -> None:
        """Order an attempt to be ended."""
        self.order(EndOrder(uid=uid, attempt=attempt, message="cancelled"))

    def will(self, path: str, *answers: GatewayAnswer) -> None:
        """GatewayAnswer the next requests for the path like this."""
        self.answers[path].extend(answers)

    def outcomes(self, uid: str = "uid-1") -> list[Any]:
        return [each.body for each in self.received if each.path == OUTCOME_PATH and each.uid == uid]

    def progress(self, uid: str = "uid-1") -> list[Any]:
        return [each.body for each in self.received if each.path == PROGRESS_PATH and each.uid == uid]

    def outcome(self, uid: str = "uid-1") -> Any:
        """The one outcome of the task, as soon as it is there."""
        self.wait_for(lambda: bool(self.outcomes(uid)))
        assert len(self.outcomes(uid)) == 1
        return self.outcomes(uid)[0]

    def result(self, uid: str = "uid-1") -> Any:
        """What the tool returned."""
        outcome = self.outcome(uid)
        assert outcome["kind"] == "result", outcome
        return json.loads(outcome["text"])["structuredContent"]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_SECONDS), "the gateway waited in vain"

    def take(self, request: WorkerRequest) -> GatewayAnswer:
        with self._changed:
            self.received.append(request)
            self._changed.notify_all()
            waiting = self.answers[urlsplit(request.path).path]
            return waiting.popleft() if waiting else GatewayAnswer(200, b'{"answers": []}')

    def connected(self, connection: WorkConnection) -> None:
        with self._changed:
            self.connections.append(connection)
            self._changed.notify_all()

    def lines(self, connection: WorkConnection) -> Iterator[Order]:
        """What is to be sent, until the stream is to end."""
        while not self._stopped:
            try:
                order = connection.orders.get(timeout=self.alive_seconds)
            except queue.Empty:
                order = AliveOrder()
            if order is None:
                return
            while connection.silent and not self._stopped:
                time.sleep(0.05)
            yield order

    @contextmanager
    def running(self) -> Iterator[WorkGateway]:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._stopped = True
            for connection in self.connections:
                connection.orders.put(None)
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Workers that are killed leave their connections."""


def _handler(gateway: WorkGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if urlsplit(self.path).path == WORK_PATH:
                self._stream()
            else:
                self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _stream(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            connection = WorkConnection(query)
            self.close_connection = True
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            gateway.connected(connection)
            with suppress(OSError):
                for order in gateway.lines(connection):
                    self.wfile.write(order.model_dump_json(by_alias=True).encode() + b"\n")
                    self.wfile.flush()

        def _answer(self, body: Any) -> None:
            task, uid = self.headers.get(TASK_HEADER, ""), self.headers.get(TASK_UID_HEADER, "")
            number = int(self.headers.get(ATTEMPT_HEADER, "0"))
            answer = gateway.take(WorkerRequest(self.path, task, uid, number, body, time.monotonic()))
            time.sleep(answer.seconds)
            if answer.close:
                self.close_connection = True
                return
            self.close_connection = not gateway.keeps_connections
            self.send_response(answer.status)
            if self.close_connection:
                self.send_header("Connection", "close")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep quiet."""

    return Handler
