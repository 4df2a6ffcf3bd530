"""A component's questions to the caller, on their way out of the process, and the answers on their way in.

The questions are kept in the task, where the caller finds them, so that neither a server nor a gateway that restarts
loses any. The process only waits: nothing ends it while it does but the answer, the task's end, or the gateway's word
that the task has waited for as long as it may.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

from mcptasks.gateway.contract import MAX_QUESTION_MESSAGE, InputAnswer, InputReport, Question
from mcptasks.model.excerpts import without_middle
from mcptasks.model.questions import Answer, QuestionError
from mcptasks.runner.gateway_client import GatewayClient, GatewayUnreachableError, RejectedError, TaskOverError

logger = logging.getLogger(__name__)

POLL_SECONDS = 20
RETRY_SECONDS = 3600.0
LEAST_PAUSE_SECONDS = 0.05
"""Between two polls, for a gateway that answers at once with nothing."""


@dataclass(frozen=True, eq=False)
class _OpenQuestion:
    question: Question
    answer: Future[Answer] = field(default_factory=Future)

    def settle(self, answer: Answer) -> None:
        # Whoever has asked may have given up.
        with suppress(InvalidStateError):
            self.answer.set_result(answer)

    def refuse(self, why: str) -> None:
        with suppress(InvalidStateError):
            self.answer.set_exception(QuestionError(why))


class QuestionChannel:
    """Takes questions from any loop. `on_over` is called once, on the thread of its own loop, when the task is over.

    A key holds the numbers of the attempt and of the question, so that none is ever used again.
    """

    def __init__(
        self,
        client: GatewayClient,
        attempt: int,
        loop: asyncio.AbstractEventLoop,
        on_over: Callable[[TaskOverError], None],
    ) -> None:
        self._client = client
        self._attempt = attempt
        self._loop = loop
        self._on_over = on_over
        self._guard = threading.Lock()
        self._count = 0
        self._open: dict[str, _OpenQuestion] = {}
        self._reported: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    async def ask(self, method: str, params_text: str, message: str | None) -> Answer:
        """Put a question to the caller and wait for the answer, on the loop of whoever asks.

        Raises QuestionError where the task may not ask it.
        """
        with self._guard:
            self._count += 1
            key = f"{self._attempt}-{self._count}"
            short = None if message is None else without_middle(message, MAX_QUESTION_MESSAGE)
            asked = _OpenQuestion(Question(key=key, method=method, params_text=params_text, message=short))
            self._open[key] = asked
        logger.info("waiting for input: %s", short or method)
        self._wake()
        try:
            return await asyncio.wrap_future(asked.answer)
        finally:
            with self._guard:
                del self._open[key]
            self._wake()

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """On the loop: keep the gateway informed and fetch answers, until cancelled or until the task is over."""
        try:
            while True:
                await self._changed.wait()
                await self._until_nothing_is_asked()
        except TaskOverError as error:
            self._on_over(error)

    async def _until_nothing_is_asked(self) -> None:
        while True:
            self._changed.clear()
            asked = self._snapshot()
            if asked.keys() != self._reported:
                await self._report(asked)
            elif not asked:
                return
            else:
                await self._poll(asked)

    def _snapshot(self) -> dict[str, _OpenQuestion]:
        with self._guard:
            return {key: each for key, each in self._open.items() if not each.answer.done()}

    async def _report(self, asked: Mapping[str, _OpenQuestion]) -> None:
        report = InputReport(questions=[each.question for each in asked.values()])
        try:
            given = await self._client.ask(report, time.monotonic() + RETRY_SECONDS)
        except RejectedError as error:
            self._refuse(asked, str(error))
        except GatewayUnreachableError as error:
            logger.error("the question cannot be asked yet: %s", error)
        else:
            self._reported = frozenset(asked)
            self._settle(asked, given.answers)

    def _refuse(self, asked: Mapping[str, _OpenQuestion], why: str) -> None:
        """What the gateway has not taken yet is what it does not take."""
        for key, each in asked.items():
            if key not in self._reported:
                each.refuse(why)

    async def _poll(self, asked: Mapping[str, _OpenQuestion]) -> None:
        """Wait for answers, or until something else is asked."""
        polling = asyncio.ensure_future(self._client.answers(POLL_SECONDS, time.monotonic() + RETRY_SECONDS))
        changing = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([polling, changing], return_when=asyncio.FIRST_COMPLETED)
            if polling.done():
                self._settle(asked, polling.result().answers)
                await asyncio.sleep(LEAST_PAUSE_SECONDS)
        except (GatewayUnreachableError, RejectedError) as error:
            logger.error("no answer can be fetched: %s", error)
            await asyncio.sleep(LEAST_PAUSE_SECONDS)
        finally:
            for each in (polling, changing):
                each.cancel()
            await asyncio.wait([polling, changing])

    def _settle(self, asked: Mapping[str, _OpenQuestion], given: list[InputAnswer]) -> None:
        for answer in given:
            if (each := asked.get(answer.key)) is not None:
                each.settle(Answer(answer.text, answer.error))
