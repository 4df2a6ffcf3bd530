"""The gateway over HTTP: `mcptasks.gateway.contract` as an ASGI application."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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
    INPUT_PATH,
    OUTCOME_PATH,
    PROGRESS_PATH,
    InputReport,
    Outcome,
    ProgressReport,
    Refusal,
    RefusalCode,
)
from mcptasks.gateway.gateway import Gateway
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.request_bodies import STALL_SECONDS, BodyReader, declared_size, discard_body
from mcptasks.logs import bind_task
from mcptasks.network.sparse_log import SparseLog
from mcptasks.settings import KIB, MIB

logger = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"
MAX_PROGRESS_BODY = 64 * KIB
MAX_INPUT_BODY = MIB
"""Room for as much as a task may ask at once, escaped."""

MAX_POLL_SECONDS = 30.0
OUTCOME_OVERHEAD = MIB
"""Room for what an outcome's body has besides the result."""

BODIES_AT_ONCE = 2
LEAST_BUDGET = 64 * MIB

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)
_PROGRESS = TypeAdapter(ProgressReport)
_INPUT = TypeAdapter(InputReport)

Handler = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")


class CallObserver(Protocol):
    """Is told of every call that was answered."""

    def served(self, call: str, code: int, seconds: float) -> None:
        """`call` is one of assignment, progress, ask, answers and outcome."""
        ...


def gateway_app(
    gateway: Gateway, observer: CallObserver | None = None, *, stall_seconds: float = STALL_SECONDS
) -> Starlette:
    """The ASGI application. Its lifespan closes the gateway. A body that drips is refused after `stall_seconds`."""
    endpoints = _Endpoints.of(gateway, stall_seconds)
    max_discarded = max(endpoints.max_outcome_body, LEAST_BUDGET)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await gateway.aclose()

    def served(path: str, call: str, handler: Handler, method: str) -> Route:
        guarded = _guarded(handler, partial(discard_body, limit=max_discarded, seconds=stall_seconds))
        return Route(path, _observed(observer, call, guarded), methods=[method])

    return Starlette(
        routes=[
            served(ASSIGNMENT_PATH, "assignment", endpoints.assignment, "GET"),
            served(PROGRESS_PATH, "progress", endpoints.progress, "POST"),
            served(INPUT_PATH, "ask", endpoints.ask, "POST"),
            served(INPUT_PATH, "answers", endpoints.answers, "GET"),
            served(OUTCOME_PATH, "outcome", endpoints.outcome, "POST"),
            Route(HEALTH_PATH, _healthy, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


@dataclass(frozen=True)
class _Endpoints:
    gateway: Gateway
    max_outcome_body: int
    bodies: BodyReader
    pace: CallPace = field(default_factory=CallPace)

    @classmethod
    def of(cls, gateway: Gateway, stall_seconds: float) -> _Endpoints:
        # A result is JSON text inside a JSON string: each of its bytes takes at most two there.
        largest = 2 * gateway.max_result_bytes + OUTCOME_OVERHEAD
        return cls(gateway, largest, BodyReader(max(BODIES_AT_ONCE * largest, LEAST_BUDGET), stall_seconds))

    async def assignment(self, request: Request) -> Response:
        pod = await self._caller(request, GatewayCall.ASSIGNMENT)
        with bind_task(pod.task_name):
            assignment = await self.gateway.assignment(pod)
        return JSONResponse(assignment.dump())

    async def progress(self, request: Request) -> Response:
        pod = await self._caller(request, GatewayCall.PROGRESS)
        with bind_task(pod.task_name), self.bodies.upload((PROGRESS_PATH, pod.key)) as upload:
            report = _parsed(_PROGRESS, await upload.read(request, MAX_PROGRESS_BODY))
            await self.gateway.progress(pod, report)
        return Response(status_code=204)

    async def ask(self, request: Request) -> Response:
        pod = await self._caller(request, GatewayCall.ASK)
        with bind_task(pod.task_name), self.bodies.upload((INPUT_PATH, pod.key)) as upload:
            body = await upload.read(request, MAX_INPUT_BODY)
            self.pace.check_question_bytes(pod, len(body), time.monotonic())
            report = _parsed(_INPUT, body)
            return JSONResponse((await self.gateway.ask(pod, report)).dump())

    async def answers(self, request: Request) -> Response:
        pod = await self._caller(request, GatewayCall.ANSWERS)
        with bind_task(pod.task_name):
            return JSONResponse((await self.gateway.answers(pod, _poll_seconds(request))).dump())

    async def outcome(self, request: Request) -> Response:
        pod = await self._caller(request, GatewayCall.OUTCOME)
        declared_size(request, self.max_outcome_body)
        with bind_task(pod.task_name), self.bodies.upload((OUTCOME_PATH, pod.key)) as upload:
            # Whoever has no outcome to give takes no room of those who have.
            known = await self.gateway.deliverable(pod)
            outcome = _parsed(_OUTCOME, await upload.read(request, self.max_outcome_body))
            await self.gateway.outcome(pod, outcome, known)
        return Response(status_code=204)

    async def _caller(self, request: Request, call: GatewayCall) -> TaskPod:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise RefusedError(RefusalCode.UNAUTHENTICATED, "send the Pod's token as Authorization: Bearer")
        pod = await self.gateway.identify(token.strip(), request.client.host if request.client else "")
        self.pace.check(call, pod, time.monotonic())
        return pod


def _poll_seconds(request: Request) -> float:
    text = request.query_params.get("seconds", "0")
    if not (text.isascii() and text.isdigit()):
        raise RefusedError(RefusalCode.INVALID, f"seconds: {text!r} is not a whole number")
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
