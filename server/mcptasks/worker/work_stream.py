"""The gateway's orders, as they come: a connection that is kept, and made anew when it dies or falls silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import httpx2
from pydantic import TypeAdapter, ValidationError

from mcptasks.gateway.contract import (
    CONCURRENCY_PARAMETER,
    HOLDS_PARAMETER,
    LOAD_PARAMETER,
    MODULE_PARAMETER,
    SILENCE_SECONDS,
    WORK_PATH,
    HeldAttempt,
    Order,
)
from mcptasks.model.excerpts import without_middle
from mcptasks.runner.gateway_client import RetryPace
from mcptasks.runner.gateway_transport import NoGatewayError, RequestNotSentError
from mcptasks.runner.http_gateway_transport import HttpGatewayTransport

logger = logging.getLogger(__name__)

PACE = RetryPace(first=0.1, longest=2.0)
REFUSAL_CHARACTERS = 500
_ORDER: TypeAdapter[Order] = TypeAdapter(Order)


class StreamEndedError(Exception):
    """The stream has ended, or never began; the message says why."""


@dataclass(eq=False)
class WorkStream:
    """Asks for work.

    Args:
        digest: of the worker's module.
        concurrency: how many tasks the worker runs at the same time.
        holds: the attempts whose outcomes are not acknowledged, when a connection is made.
        broken: is called whenever a connection is lost: what it has ordered and not confirmed is void.
        load_seconds: how long the worker took to load its module, until somebody has been told.
        silence: seconds without a byte after which a connection counts as dead.
    """

    transport: HttpGatewayTransport
    digest: str
    concurrency: int
    holds: Callable[[], Iterable[HeldAttempt]]
    broken: Callable[[], None]
    load_seconds: float | None = None
    silence: float = SILENCE_SECONDS
    pace: RetryPace = PACE

    async def orders(self) -> AsyncIterator[Order]:
        """Each order as it comes, for ever. Raises NoGatewayError where there can be no connection."""
        failures = 0
        while True:
            try:
                async for order in self._connection():
                    failures = 0
                    yield order
            except (RequestNotSentError, StreamEndedError) as error:
                level = logging.WARNING if failures in (0, 3) or failures % 30 == 0 else logging.DEBUG
                logger.log(level, "asking the gateway for work again: %s", error)
            self.broken()
            await asyncio.sleep(self.pace.delay(failures))
            failures += 1

    async def _connection(self) -> AsyncIterator[Order]:
        """The orders of one connection. Raises RequestNotSentError, StreamEndedError, NoGatewayError."""
        parameters = {MODULE_PARAMETER: self.digest, CONCURRENCY_PARAMETER: str(self.concurrency)}
        if self.load_seconds is not None:
            parameters[LOAD_PARAMETER] = f"{self.load_seconds:.3f}"
        if holds := ",".join(map(str, self.holds())):
            parameters[HOLDS_PARAMETER] = holds
        async with self.transport.stream(WORK_PATH, parameters, self.silence) as answer:
            if answer.status_code != 200:
                raise StreamEndedError(await _refusal_text(answer))
            self.load_seconds = None
            try:
                async for line in answer.aiter_lines():
                    if (order := _parsed(line)) is not None:
                        yield order
            except httpx2.HTTPError as error:
                why = "it has been silent for too long" if isinstance(error, httpx2.ReadTimeout) else str(error)
                raise StreamEndedError(f"the connection was lost: {why or type(error).__name__}") from error
        raise StreamEndedError("the gateway has ended the connection")


async def _refusal_text(answer: httpx2.Response) -> str:
    try:
        text = without_middle((await answer.aread()).decode("utf-8", "replace"), REFUSAL_CHARACTERS)
    except httpx2.HTTPError:
        text = ""
    return f"the gateway answered with HTTP {answer.status_code}: {text}"


def _parsed(line: str) -> Order | None:
    """The order; None for one that this version does not know."""
    if not line.strip():
        return None
    try:
        return _ORDER.validate_json(line)
    except ValidationError as error:
        logger.warning("an order that this worker does not know is left out: %s (%.200s)", error, line)
        return None


__all__ = ["NoGatewayError", "StreamEndedError", "WorkStream"]
