"""The runner's calls to the gateway: each is repeated until it is answered, or until there is no time left."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from mcptasks.gateway.contract import (
    ASSIGNMENT_PATH,
    INPUT_PATH,
    OUTCOME_PATH,
    PROGRESS_PATH,
    Assignment,
    InputAnswers,
    InputReport,
    ProgressReport,
    Refusal,
    RefusalCode,
)
from mcptasks.runner.gateway_transport import GatewayReply, NoGatewayError, RequestNotSentError, Transport
from mcptasks.runner.http_gateway_transport import HttpGatewayTransport

logger = logging.getLogger(__name__)

PAUSE_STEP_SECONDS = 0.5
"""How soon a pause notices that there is less time than it thought."""

_OVER = frozenset({RefusalCode.SUPERSEDED, RefusalCode.TASK_ENDED, RefusalCode.TASK_GONE})
_UNAUTHORIZED = frozenset({RefusalCode.UNAUTHENTICATED, RefusalCode.NOT_A_TASK_POD})


class TaskOverError(Exception):
    """The task has ended, is gone, or belongs to a newer attempt: there is nothing left to do."""


class RejectedError(Exception):
    """The gateway will never take this request."""


class GatewayUnreachableError(Exception):
    """The gateway did not take the request in time."""


class _RetryableError(Exception):
    """The request came to nothing, and may come to something later."""

    def __init__(self, message: str, *, unauthorized: bool = False) -> None:
        super().__init__(message)
        self.unauthorized = unauthorized


@dataclass(frozen=True)
class RetryPace:
    """How often requests are repeated, in seconds. A token is given some time to become known."""

    first: float = 0.2
    longest: float = 5.0
    unauthorized: float = 30.0

    def delay(self, attempt: int) -> float:
        """Seconds to wait after the given attempt (from 0): doubling, between half and all of it at random."""
        return min(self.longest, self.first * 2.0 ** min(attempt, 30)) * random.uniform(0.5, 1.0)


class GatewayClient:
    """Calls the gateway. Use on one loop.

    `last_failure`: why the call that is being repeated came to nothing so far. `retry_until`: until when anything is
    repeated at most, by `time.monotonic()`; may be set at any time, from any thread.
    """

    def __init__(self, transport: Transport, pace: RetryPace | None = None) -> None:
        self._transport = transport
        self._pace = pace or RetryPace()
        self.last_failure: str | None = None
        self.retry_until = math.inf

    @classmethod
    def over_http(cls, url: str, token_file: Path, pace: RetryPace | None = None) -> Self:
        """For the gateway at the URL."""
        return cls(HttpGatewayTransport.to(url, token_file), pace)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def assignment(self, deadline: float) -> Assignment:
        """Fetch the assignment, and with it claim the attempt.

        Args:
            deadline: until when to try, by `time.monotonic()`.

        Raises:
            TaskOverError, RejectedError, GatewayUnreachableError
        """
        answer = await self._repeat("GET", ASSIGNMENT_PATH, None, deadline)
        try:
            return Assignment.model_validate_json(answer.body)
        except ValidationError as error:
            raise RejectedError(
                f"the gateway's assignment cannot be read; is it of the same version? {error}"
            ) from error

    async def report(self, report: ProgressReport) -> bool:
        """Report progress, once; gives whether the gateway has it. Raises TaskOverError."""
        try:
            await self._request("POST", PROGRESS_PATH, report.model_dump_json(by_alias=True).encode())
        except (_RetryableError, RejectedError) as error:
            logger.debug("progress was not reported: %s", error)
            return False
        return True

    async def ask(self, report: InputReport, deadline: float) -> InputAnswers:
        """Make these the task's questions; gives the answers that are there already. Harmless if repeated.

        Args:
            deadline: until when to try, by `time.monotonic()`.

        Raises:
            TaskOverError, RejectedError, GatewayUnreachableError
        """
        body = report.model_dump_json(by_alias=True, exclude_none=True).encode()
        return _answers(await self._repeat("POST", INPUT_PATH, body, deadline))

    async def answers(self, seconds: int, deadline: float) -> InputAnswers:
        """The answers to the task's questions, as soon as there is one; none after the given seconds.

        Raises:
            TaskOverError, RejectedError, GatewayUnreachableError
        """
        return _answers(await self._repeat("GET", f"{INPUT_PATH}?seconds={seconds}", None, deadline))

    async def deliver(self, outcome: bytes, deadline: float) -> None:
        """Deliver the outcome, given as JSON. Harmless if it is there already.

        Args:
            deadline: until when to try, by `time.monotonic()`.

        Raises:
            TaskOverError, RejectedError, GatewayUnreachableError
        """
        await self._repeat("POST", OUTCOME_PATH, outcome, deadline)

    async def _repeat(self, method: str, path: str, body: bytes | None, deadline: float) -> GatewayReply:
        attempt = 0
        unauthorized_since: float | None = None
        while True:
            try:
                answer = await self._request(method, path, body)
                self.last_failure = None
                return answer
            except _RetryableError as error:
                self.last_failure = str(error)
                now = time.monotonic()
                unauthorized_since = (unauthorized_since or now) if error.unauthorized else None
                last = (
                    deadline
                    if unauthorized_since is None
                    else min(deadline, unauthorized_since + self._pace.unauthorized)
                )
                if now >= min(last, self.retry_until):
                    raise GatewayUnreachableError(f"gave up on {method} {path}: {error}") from error
                level = logging.WARNING if attempt in (0, 3) or attempt % 12 == 0 else logging.DEBUG
                logger.log(level, "%s %s has to be repeated: %s", method, path, error)
                await self._pause(min(now + self._pace.delay(attempt), last))
                attempt += 1

    async def _pause(self, end: float) -> None:
        # Signal handlers set `retry_until`.
        while (left := min(end, self.retry_until) - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, PAUSE_STEP_SECONDS))

    async def _request(self, method: str, path: str, body: bytes | None) -> GatewayReply:
        """One request. Raises _RetryableError, TaskOverError, RejectedError."""
        try:
            answer = await self._transport.send(method, path, body)
        except NoGatewayError as error:
            raise RejectedError(str(error)) from error
        except RequestNotSentError as error:
            raise _RetryableError(str(error), unauthorized=error.unauthorized) from error
        if answer.is_success:
            return answer
        raise _refused(answer)


def _answers(answer: GatewayReply) -> InputAnswers:
    try:
        return InputAnswers.model_validate_json(answer.body)
    except ValidationError as error:
        raise RejectedError(f"the gateway's answers cannot be read; is it of the same version? {error}") from error


def _refused(answer: GatewayReply) -> Exception:
    """What an answer that is not a success means. Only a gateway's own word ends anything."""
    try:
        refusal = Refusal.model_validate_json(answer.body)
    except ValidationError:
        return _RetryableError(f"HTTP {answer.status}, which is not an answer of a gateway")
    if refusal.code in _OVER:
        return TaskOverError(refusal.message)
    if refusal.code is RefusalCode.INVALID:
        return RejectedError(refusal.message)
    return _RetryableError(refusal.message, unauthorized=refusal.code in _UNAUTHORIZED)
