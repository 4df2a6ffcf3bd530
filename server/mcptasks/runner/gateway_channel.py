"""What a running component says to the outside, by way of the gateway (`dispatch_context.Channel`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from mcptasks.gateway.contract import Assignment
from mcptasks.model.questions import Answer
from mcptasks.runner.gateway_client import GatewayClient, TaskOverError
from mcptasks.runner.question_channel import QuestionChannel
from mcptasks.runner.reporter import Reporter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GatewayChannel:
    """Sends progress and log messages out, and waits for the answers to questions.

    Args:
        exchange: the asyncio task that sends questions and fetches answers.
    """

    reporter: Reporter
    questions: QuestionChannel
    exchange: asyncio.Task[None]

    @classmethod
    async def opened(
        cls, client: GatewayClient, assignment: Assignment, on_over: Callable[[TaskOverError], None]
    ) -> Self:
        """On the client's loop: a channel for the attempt. `on_over` is called when the gateway ends it."""
        loop = asyncio.get_running_loop()
        reporter = Reporter(client, assignment.progress_interval_seconds, on_over)
        questions = QuestionChannel(client, assignment.attempt, loop, on_over)
        return cls(reporter, questions, loop.create_task(questions.run()))

    async def aclose(self) -> None:
        """On that loop: send the last report, then nothing more."""
        await self.reporter.flush()
        self.exchange.cancel()

    def report(self, current: float, total: float | None, message: str | None) -> None:
        """Take a progress report from any thread. Never blocks, and raises nothing: the tool goes on."""
        try:
            self.reporter.post(current, total, message)
        except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this report alone
            logger.debug("progress could not be passed on: %s", error)

    async def progress(self, current: float, total: float | None, message: str | None) -> None:
        """Take a progress report; the latest one wins."""
        await self.reporter.progress(current, total, message)

    def log(self, level: str, data: object) -> None:
        """Write a log message of the component's to the Pod's log."""
        self.reporter.log(level, data)

    async def ask(self, method: str, params_text: str, message: str | None) -> Answer:
        """Put a request to the caller and wait for the answer. Raises QuestionError where the task may not ask it."""
        return await self.questions.ask(method, params_text, message)
