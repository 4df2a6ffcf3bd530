"""The gateway over HTTP: `mcptasks.gateway.contract` as an ASGI application."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mcptasks.gateway.call_pace import CallPace, GatewayCall
from mcptasks.gateway.contract import (
    ASSIGNMENT_PATH,
    ATTEMPT_HEADER,
    ESCAPED_BYTES,
    HOLDS_PARAMETER,
    INPUT_PATH,
    LOAD_PARAMETER,
    MODULE_PARAMETER,
    OUTCOME_PATH,
    PROGRESS_PATH,
    TASK_HEADER,
    TASK_UID_HEADER,
    WORK_PATH,
    HeldAttempt,
    InputReport,
    Outcome,
    ProgressReport,
    Refusal,
    RefusalCode,
    WorkerOutcome,
)
from mcptasks.gateway.gateway import Gateway
from mcptasks.gateway.order_stream import OrderStream, StreamPace
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.request_bodies import FREE_BYTES, STALL_SECONDS, BodyReader, declared_size, discard_body
from mcptasks.gateway.workers import WorkerPod
from mcptasks.kube.kinds import is_path_segment
from mcptasks.logs import bind_task
from mcptasks.model.excerpts import without_middle
from mcptasks.network.sparse_log import SparseLog
from mcptasks.settings import MIB

logger = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"
MAX_PROGRESS_BODY = FREE_BYTES
"""As much as is not counted: whose it is may be looked up when it is written, which is once an interval."""

MAX_INPUT_BODY = MIB
"""Room for as much as a task may ask at once, escaped."""

MAX_POLL_SECONDS = 30.0
OUTCOME_OVERHEAD = MIB
"""Room for what an outcome's body has besides the result and a long log."""

MAX_MORE_HOLDS = 500
"""Attempts whose outcomes are on their way: a worker that connects may name them besides those that it may run."""

MAX_DIGEST = 128
"""Characters of a module's digest that are kept."""

MAX_NAME = 253
MAX_UID = 128
"""Characters of what a worker says of tasks: limits are kept by it, for thousands of them."""

SHOWN_CHARACTERS = 100

ORDER_PACE = StreamPace()
BODIES_AT_ONCE = 2
LEAST_BUDGET = 64 * MIB

_OUTCOME: TypeAdapter[WorkerOutcome] = TypeAdapter(Outcome)
_WORKER_OUTCOME: TypeAdapter[WorkerOutcome] = TypeAdapter(WorkerOutcome)
_PROGRESS = TypeAdapter(ProgressReport)
_INPUT = TypeAdapter(InputReport)

Handler = Callable[[Request], Awaitable[Response]]
PodHandler = Callable[[Request, TaskPod], Awaitable[Response]]
T = TypeVar("T")


class CallObserver(Protocol):
    """Is told of every call that was answered."""

    def served(self, call: str, code: int, seconds: float) -> None:
        """`call` is one of work, assignment, progress, ask, answers and outcome."""
        ...


def gateway_app(
    gateway: Gateway,
    observer: CallObserver | None = None,
    *,
    stall_seconds: float = STALL_SECONDS,
    pace: StreamPace = ORDER_PACE,
) -> Starlette:
    """The ASGI application. Its lifespan closes the gateway. A body that drips is refused after `stall_seconds`."""
    endpoints = _Endpoints.of(gateway, stall_seconds, pace)
    max_discarded = max(endpoints.max_outcome_body, LEAST_BUDGET)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await gateway.aclose()

    def served(path: str, call: str, handler: Handler, method: str) -> Route:
        guarded = _guarded(handler, partial(discard_body, limit=max_discarded, seconds=stall_seconds))
        return Route(path, _observed(observer, call, guarded), methods=[method])

    def called(path: str, call: GatewayCall, answer: PodHandler, method: str) -> Route:
        return served(path, call.value, partial(endpoints.for_pod, call, answer), method)

    return Starlette(
        routes=[
            served(WORK_PATH, "work", endpoints.work, "GET"),
            called(ASSIGNMENT_PATH, GatewayCall.ASSIGNMENT, endpoints.assignment, "GET"),
            called(PROGRESS_PATH, GatewayCall.PROGRESS, endpoints.progress, "POST"),
            called(INPUT_PATH, GatewayCall.ASK, endpoints.ask, "POST"),
            called(INPUT_PATH, GatewayCall.ANSWERS, endpoints.answers, "GET"),
            called(OUTCOME_PATH, GatewayCall.OUTCOME, endpoints.outcome, "POST"),
            Route(HEALTH_PATH, _healthy, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


@dataclass(frozen=True)
class _Endpoints:
    gateway: Gateway
    max_outcome_body: int
    bodies: BodyReader
    stream_pace: StreamPace
    pace: CallPace = field(default_factory=CallPace)

    @classmethod
    def of(cls, gateway: Gateway, stall_seconds: float, pace: StreamPace) -> _Endpoints:
        # A result is JSON text inside a JSON string: each of its bytes takes at most two there.
        largest = 2 * gateway.max_result_bytes + ESCAPED_BYTES * gateway.max_log_bytes + OUTCOME_OVERHEAD
        return cls(gateway, largest, BodyReader(max(BODIES_AT_ONCE * largest, LEAST_BUDGET), stall_seconds), pace)

    async def work(self, request: Request) -> Response:
        worker = await self._identified(request)
        if not isinstance(worker, WorkerPod):
            raise RefusedError(RefusalCode.NOT_A_TASK_POD, f"Pod {worker.name} is no worker: it has a task of its own")
        self.pace.check_connection(worker, time.monotonic())
        module = request.query_params.get(MODULE_PARAMETER, "")[:MAX_DIGEST]
        holds = _holds(request, worker.concurrency + MAX_MORE_HOLDS)
        link = self.gateway.work(worker, module, holds, _load_seconds(request))
        return OrderStream(link, self.gateway.leave, self.stream_pace)

    async def for_pod(self, call: GatewayCall, answer: PodHandler, request: Request) -> Response:
        """The answer to a call for the Pod's own task, or for the one that a worker names."""
        found = await self._identified(request)
        with ExitStack() as stack:
            if isinstance(found, TaskPod):
                pod = found
            else:
                pod = _named_attempt(request, found, call)
                if not self.gateway.runs(pod):
                    stack.enter_context(self.pace.unconfirmed_attempt(pod, time.monotonic))
            self.pace.check(call, pod, time.monotonic())
            return await answer(request, pod)

    async def assignment(self, request: Request, pod: TaskPod) -> Response:
        with bind_task(pod.task_name):
            assignment = await self.gateway.assignment(pod)
        return JSONResponse(assignment.dump())

    async def progress(self, request: Request, pod: TaskPod) -> Response:
        with bind_task(pod.task_name), self.bodies.upload((PROGRESS_PATH, self._sender(pod))) as upload:
            report = _parsed(_PROGRESS, await upload.read(request, MAX_PROGRESS_BODY))
            await self.gateway.progress(pod, report)
        return Response(status_code=204)

    async def ask(self, request: Request, pod: TaskPod) -> Response:
        declared_size(request, MAX_INPUT_BODY)
        with bind_task(pod.task_name), self.bodies.upload((INPUT_PATH, self._sender(pod))) as upload:
            # Whoever has nothing to ask takes no room of those who have.
            await self.gateway.may_ask(pod)
            body = await upload.read(request, MAX_INPUT_BODY)
            self.pace.check_question_bytes(pod, len(body), time.monotonic())
            report = _parsed(_INPUT, body)
            return JSONResponse((await self.gateway.ask(pod, report)).dump())

    async def answers(self, request: Request, pod: TaskPod) -> Response:
        with bind_task(pod.task_name):
            return JSONResponse((await self.gateway.answers(pod, _poll_seconds(request))).dump())

    async def outcome(self, request: Request, pod: TaskPod) -> Response:
        declared_size(request, self.max_outcome_body)
        with bind_task(pod.task_name), self.bodies.upload((OUTCOME_PATH, pod.key)) as upload:
            # Whoever has no outcome to give takes no room of those who have.
            known = await self.gateway.deliverable(pod)
            kinds = _WORKER_OUTCOME if pod.is_workers else _OUTCOME
            outcome = _parsed(kinds, await upload.read(request, self.max_outcome_body))
            await self.gateway.outcome(pod, outcome, known)
        return Response(status_code=204)

    def _sender(self, pod: TaskPod) -> Hashable:
        """Who may send one body at a time: a Pod for its task, and a worker for all attempts that are not its own."""
        return pod.key if not pod.is_workers or self.gateway.runs(pod) else pod.uid

    async def _identified(self, request: Request) -> TaskPod | WorkerPod:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise RefusedError(RefusalCode.UNAUTHENTICATED, "send the Pod's token as Authorization: Bearer")
        return await self.gateway.identify(token.strip(), request.client.host if request.client else "")


def _named_attempt(request: Request, worker: WorkerPod, call: GatewayCall) -> TaskPod:
    """The worker with the attempt that its headers name. Raises RefusedError."""
    if call is GatewayCall.ASSIGNMENT:
        # It would claim whatever task it names.
        raise RefusedError(RefusalCode.INVALID, f"a worker gets its assignments with its orders: GET {WORK_PATH}")
    name, uid = request.headers.get(TASK_HEADER, ""), request.headers.get(TASK_UID_HEADER, "")
    attempt = request.headers.get(ATTEMPT_HEADER, "")
    is_task = is_path_segment(name) and len(name) <= MAX_NAME and 0 < len(uid) <= MAX_UID
    if not (is_task and _is_number(attempt) and int(attempt) > 0):
        headers = f"{TASK_HEADER}, {TASK_UID_HEADER} and {ATTEMPT_HEADER}"
        raise RefusedError(RefusalCode.INVALID, f"a worker names the attempt that its call is about: send {headers}")
    return worker.for_task(name, uid, int(attempt))


def _load_seconds(request: Request) -> float | None:
    """What only a metric shows is left out where it makes no sense."""
    try:
        seconds = float(request.query_params.get(LOAD_PARAMETER, ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None


def _holds(request: Request, most: int) -> list[HeldAttempt]:
    """The attempts that a worker says it holds: `most`, or fewer. Raises RefusedError."""
    text = request.query_params.get(HOLDS_PARAMETER, "")
    held = []
    for part in filter(None, text.split(",")):
        uid, _, attempt = part.rpartition(":")
        if not 0 < len(uid) <= MAX_UID or not _is_number(attempt):
            shown = without_middle(part, SHOWN_CHARACTERS)
            raise RefusedError(RefusalCode.INVALID, f"{HOLDS_PARAMETER}: {shown!r} is not <uid>:<attempt>")
        held.append(HeldAttempt(uid, int(attempt)))
    if len(held) > most:
        raise RefusedError(RefusalCode.INVALID, f"{HOLDS_PARAMETER} has more than {most} attempts")
    return held


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _poll_seconds(request: Request) -> float:
    text = request.query_params.get("seconds", "0")
    if not _is_number(text):
        shown = without_middle(text, SHOWN_CHARACTERS)
        raise RefusedError(RefusalCode.INVALID, f"seconds: {shown!r} is not a whole number")
    return min(float(text), MAX_POLL_SECONDS)


def _parsed(adapter: TypeAdapter[T], body: bytearray) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in found["loc"]) or "the body"
        raise RefusedError(RefusalCode.INVALID, f"{where}: {found['msg']}") from error


def _observed(observer: CallObserver | None, call: str, handler: Handler) -> Handler:
    """The handler, with its answers reported to the observer."""
    if observer is None:
        return handler

    async def observed(request: Request) -> Response:
        started = time.monotonic()
        answer = await handler(request)
        observer.served(call, answer.status_code, time.monotonic() - started)
        return answer

    return observed


def _guarded(handler: Handler, discard: Callable[[Request], Awaitable[None]]) -> Handler:
    """The handler with every failure as a `Refusal`. Unexpected ones go to the log, never to the runner."""
    refusals = SparseLog(logger, logging.INFO, seconds=1)

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except RefusedError as error:
            refusals.say("refused %s %s: %s", request.method, request.url.path, error)
            await discard(request)
            return _refusal(error.status, error.refusal)
        except ClientDisconnect:
            return _refusal(400, Refusal(code=RefusalCode.INVALID, message="the connection was closed"))
        except Exception:
            logger.exception("failed %s %s", request.method, request.url.path)
            message = "the gateway failed on this call; see its log"
            return _refusal(500, Refusal(code=RefusalCode.UNAVAILABLE, message=message))

    return guarded


def _refusal(status: int, refusal: Refusal) -> JSONResponse:
    headers: dict[str, Any] = {413: {"Connection": "close"}, 429: {"Retry-After": "1"}}.get(status, {})
    return JSONResponse(refusal.dump(), status_code=status, headers=headers)


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")
