"""One call from the command line, from its start to its end or its interruption."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import mcptasks.client
from mcptasks.cli.call_target import AnyResult, CallTarget, TargetKind
from mcptasks.cli.command_errors import CliError
from mcptasks.cli.progress_view import ProgressView
from mcptasks.cli.question_dialog import QuestionDialog
from mcptasks.client import (
    AnswerRefusedError,
    Client,
    ClientError,
    McpError,
    Task,
    TaskCancelledError,
    ToolResult,
)
from mcptasks.model.base import JsonObject
from mcptasks.model.exit_codes import ExitCode

CANCEL_SECONDS = 10.0
START_SECONDS = 3.0
"""How long an interrupted call is given to become a task, so that it can be cancelled instead of left behind."""

SILENT_SECONDS = 5.0
"""How long a server may take for its first answer before that is told."""

CANNOT_ASK = -32021
"""The error for calls of tools that ask for what the client did not say it can answer."""

ANSWERS_HINT = "answer it with --answer KEY=VALUE, or call it from a terminal"

T = TypeVar("T")


@dataclass(frozen=True)
class RequestedCall:
    """What to call: the name of a tool or prompt, or a resource's URI; of any kind unless one is given."""

    name: str
    kind: TargetKind | None = None
    pairs: Sequence[str] = ()
    json_text: str | None = None
    ttl: timedelta | None = None
    idempotency_key: str | None = None


@dataclass(eq=False)
class CallRun:
    """One call, from its start to its end or its interruption."""

    client: Client
    call: RequestedCall
    target: CallTarget
    arguments: JsonObject
    view: ProgressView
    dialog: QuestionDialog
    interrupted: asyncio.Event
    _task: Task[Any] | None = field(default=None, init=False)

    @property
    def hint(self) -> str:
        """Where there is more to see of a call that failed."""
        if self._task is None or self._task.returned_immediately:
            return "\nThe log of the server has more."
        return f"\n`mcptasks describe {self._task.task_id}` and `mcptasks logs {self._task.task_id}` show more."

    async def result(self) -> AnyResult:
        """Call the tool and wait for its result. Raises CliError where it was interrupted or ended with an error."""
        name = self.call.name
        self.view.begin(name, "calling")
        starting = asyncio.create_task(
            self.target.start(
                self.client,
                self.arguments,
                ttl=self.call.ttl,
                idempotency_key=self.call.idempotency_key,
                on_progress=lambda report: self.view.show(name, report),
            )
        )
        try:
            self._task = await self._unless_interrupted(starting)
            if not self._task.returned_immediately:
                self.view.note(f"{name} runs as task {self._task.task_id}")
                self.view.begin(name, "waiting for its process to start")
            result = await self._ended(self._task)
        except McpError as error:
            cannot_ask = error.code == CANNOT_ASK and not self.dialog.can_answer
            hint = f"; {ANSWERS_HINT}" if cannot_ask else self.hint
            raise CliError(f"{name} failed: {explain(error)}{hint}") from error
        except TaskCancelledError as error:
            raise CliError(f"{name} was cancelled: {error}") from error
        self.view.done(name, "failed" if isinstance(result, ToolResult) and result.is_error else "completed")
        return result

    async def _ended(self, task: Task[Any]) -> AnyResult:
        """The task's result. An answer that the server refuses is asked for again, or ends the task."""
        while True:
            try:
                result: AnyResult = await self._unless_interrupted(asyncio.create_task(task.result()))
            except AnswerRefusedError as error:
                if not self.dialog.ask_again():
                    refused = CliError(f"the server refuses the answer: {explain(error)}")
                    raise await self._cancelled_for(refused, task) from error
                self.view.note(f"The server refuses the answer: {explain(error)}")
            else:
                return result

    async def _unless_interrupted(self, work: asyncio.Task[T]) -> T:
        interruption = asyncio.create_task(self.interrupted.wait())
        failure = asyncio.create_task(self.dialog.failed.wait())
        try:
            await asyncio.wait({work, interruption, failure}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise await self._give_up(work)
        finally:
            interruption.cancel()
            failure.cancel()
            work.cancel()

    async def _give_up(self, work: asyncio.Task[T]) -> CliError:
        """Cancel what was started; returns the error that says why and so."""
        cause = self.dialog.failure or CliError("interrupted", ExitCode.INTERRUPTED)
        # A call that asks before it becomes a task waits for us.
        if self._task is None and self.dialog.failure is None and not self.dialog.asking:
            await asyncio.wait({work}, timeout=START_SECONDS)
            started = work.result() if work.done() and not work.cancelled() and work.exception() is None else None
            self._task = started if isinstance(started, Task) else None
        if self._task is None or self._task.returned_immediately:
            return CliError(f"{cause}: the call of {self.call.name} was given up", cause.exit_code)
        return await self._cancelled_for(cause, self._task)

    async def _cancelled_for(self, cause: CliError, task: Task[Any]) -> CliError:
        """Cancel the task; returns the error that says why and so."""
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await task.cancel()
        except (ClientError, TimeoutError) as error:
            return CliError(
                f"{cause}, but task {task.task_id} could not be cancelled: {error or 'no answer'}", cause.exit_code
            )
        return CliError(f"{cause}: task {task.task_id} is cancelled", cause.exit_code)


@contextmanager
def told_of_retries(view: ProgressView) -> Iterator[None]:
    """Show the client's warnings, that it tries again for example, above the progress."""
    logger, handler = logging.getLogger(mcptasks.client.__name__), NoteHandler(view)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def told_of_silence(view: ProgressView, url: str, seconds: float = SILENT_SECONDS) -> Iterator[Callable[[], None]]:
    """Say after some seconds that the server does not answer. Call what it gives once it has."""
    waiting = asyncio.get_running_loop().call_later(seconds, view.note, f"{url} has not answered yet; waiting")
    try:
        yield waiting.cancel
    finally:
        waiting.cancel()


class NoteHandler(logging.Handler):
    """Shows warnings as notes of a progress view."""

    def __init__(self, view: ProgressView) -> None:
        super().__init__(logging.WARNING)
        self.view = view

    def emit(self, record: logging.LogRecord) -> None:
        self.view.note(record.getMessage())


def explain(error: McpError) -> str:
    """The error's message, with the reason where the server gives one."""
    reason = error.data.get("reason") if isinstance(error.data, dict) else None
    return f"{error.message} ({reason})" if reason and reason not in error.message else error.message


@contextmanager
def interruptions() -> Iterator[asyncio.Event]:
    """An event that the first Ctrl-C sets; the second one ends the process."""
    loop, interrupted = asyncio.get_running_loop(), asyncio.Event()

    def on_interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        interrupted.set()

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        yield interrupted
    finally:
        loop.remove_signal_handler(signal.SIGINT)
