"""The runner's way to the gateway: each call is repeated until it is answered, or until there is no time left.

The token is read again for each request, because the kubelet replaces it long before it expires.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
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

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 60.0

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

    def __init__(self, url: str, token_file: Path, pace: RetryPace | None = None) -> None:
        self._token_file = token_file
        self._pace = pace or RetryPace()
        self.last_failure: str | None = None
        self.retry_until = math.inf
        self._http = httpx2.AsyncClient(
            base_url=url,
            timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            # The gateway is inside the cluster: proxies are for the world outside.
            trust_env=False,
            # Loading the system's certificates takes longer than all other requests.
            verify=url.startswith("https"),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def assignment(self, deadline: float) -> Assignment:
        """Fetch the assignment, and with it claim the attempt.

        Args:
            deadline: until when to try, by `time.monotonic()`.

        Raises:
            TaskOverError, RejectedError, GatewayUnreachableError
        """
        answer = await self._repeat("GET", ASSIGNMENT_PATH, None, deadline)
        try:
            return Assignment.model_validate_json(answer.content)
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

    async def _repeat(self, method: str, path: str, body: bytes | None, deadline: float) -> httpx2.Response:
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

    async def _request(self, method: str, path: str, body: bytes | None) -> httpx2.Response:
        """One request. Raises _RetryableError, TaskOverError, RejectedError."""
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        try:
            answer = await self._http.request(method, path, content=body, headers=headers)
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise RejectedError(
                f"MCPTASKS_GATEWAY_URL is no URL of a gateway ({self._http.base_url}): {error}"
            ) from error
        except (httpx2.HTTPError, OSError) as error:
            where = self._http.base_url
            raise _RetryableError(
                f"the gateway at {where} cannot be reached: {error or type(error).__name__}"
            ) from error
        if answer.is_success:
            return answer
        raise _refused(answer)

    def _token(self) -> str:
        try:
            token = self._token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _RetryableError(f"the token cannot be read: {error}", unauthorized=True) from error
        if not token or not token.isascii() or not token.isprintable():
            raise _RetryableError(f"there is no token in {self._token_file}", unauthorized=True)
        return token


def _answers(answer: httpx2.Response) -> InputAnswers:
    try:
        return InputAnswers.model_validate_json(answer.content)
    except ValidationError as error:
        raise RejectedError(f"the gateway's answers cannot be read; is it of the same version? {error}") from error


def _refused(answer: httpx2.Response) -> Exception:
    """What an answer that is not a success means. Only a gateway's own word ends anything."""
    try:
        refusal = Refusal.model_validate_json(answer.content)
    except ValidationError:
        return _RetryableError(f"HTTP {answer.status_code}, which is not an answer of a gateway")
    if refusal.code in _OVER:
        return TaskOverError(refusal.message)
    if refusal.code is RefusalCode.INVALID:
        return RejectedError(refusal.message)
    return _RetryableError(refusal.message, unauthorized=refusal.code in _UNAUTHORIZED)
