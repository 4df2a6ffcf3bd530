"""What the runner process does, from its assignment to its exit code."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from mcptasks.authoring.call_facts import TaskInfo
from mcptasks.authoring.call_thread import CallSync, call_here
from mcptasks.authoring.loader import LoadError, load_server
from mcptasks.authoring.task_server import TaskServer
from mcptasks.gateway.contract import Assignment, FailureOutcome, Outcome
from mcptasks.logs import bind_task
from mcptasks.model.questions import Answer
from mcptasks.model.task import Reason
from mcptasks.runner.delivery import encoded, exit_code, not_serializable, within_limit
from mcptasks.runner.execution import execute, find_target, runs_in_main_thread
from mcptasks.runner.gateway_client import GatewayClient, GatewayUnreachableError, RejectedError, TaskOverError
from mcptasks.runner.loop_thread import LoopJob, LoopThread
from mcptasks.runner.main_thread import run_beside, run_here
from mcptasks.runner.question_channel import Questions
from mcptasks.runner.reporter import Reporter
from mcptasks.runner.signals import Terminated, Termination
from mcptasks.settings import Settings

logger = logging.getLogger(__name__)

ASSIGNMENT_SECONDS = 3600.0
"""How long the assignment is tried for: until it is there, the task's own deadline is not known."""

LEAST_DELIVERY_SECONDS = 30.0
"""How long delivery is tried for where the deadline has passed; the kubelet ends it sooner if it wants to."""

FAREWELL_SECONDS = 5.0
"""How much of the grace period is left for the process to say that it could not deliver: killed, it can not."""


@dataclass(frozen=True)
class _Channel:
    """What a running component says to the outside: reports go one way, questions wait for their answers."""

    reporter: Reporter
    questions: Questions

    async def progress(self, current: float, total: float | None, message: str | None) -> None:
        await self.reporter.progress(current, total, message)

    def log(self, level: str, data: object) -> None:
        self.reporter.log(level, data)

    async def ask(self, method: str, params_text: str, message: str | None) -> Answer:
        return await self.questions.ask(method, params_text, message)


@dataclass(frozen=True)
class _Talk:
    """The channel, and the task on the loop that fetches the answers for it."""

    channel: _Channel
    answers: asyncio.Task[None]

    async def end(self) -> None:
        """On the loop: send the last report, then nothing more."""
        await self.channel.reporter.flush()
        self.answers.cancel()


@dataclass(frozen=True)
class TaskProcess:
    """One attempt of one task. `started` is when the process began, by `time.monotonic()`."""

    settings: Settings
    client: GatewayClient
    loop_thread: LoopThread
    termination: Termination
    started: float

    def run(self) -> int:
        """Fetch, load, run and deliver; gives the exit code.

        Raises:
            TaskOverError: the gateway says that there is nothing left to do.
            GatewayUnreachableError, RejectedError: no assignment, or the outcome could not be delivered.
            Terminated: a signal has ended the work; whatever else the component ended the process with.
        """
        assignment = self._assignment()
        with bind_task(assignment.task_id):
            logger.info("attempt %s: %s %s", assignment.attempt, assignment.component.kind, assignment.component.name)
            return self._run(assignment)

    def _assignment(self) -> Assignment:
        try:
            return self.loop_thread.run(self.client.assignment(self.started + ASSIGNMENT_SECONDS))
        except Terminated:
            # The kubelet ends the Pod at its deadline: what kept it from running says more than that.
            if self.client.trouble is None:
                raise
            raise GatewayUnreachableError(f"ended without an assignment: {self.client.trouble}") from None

    def _run(self, assignment: Assignment) -> int:
        talk = self.loop_thread.run(self._start_talking(assignment))
        outcome = self._outcome(assignment, talk.channel)
        with self.termination.reacting(self._hurry):
            self._leave_if_terminated()
            limited = within_limit(outcome, assignment.max_result_bytes)
            code, body = exit_code(limited), encoded(limited)
            del outcome, limited
            self.loop_thread.run(self._bring_home(assignment, talk, body))
        logger.info("the outcome is recorded")
        return code

    async def _start_talking(self, assignment: Assignment) -> _Talk:
        loop = asyncio.get_running_loop()
        reporter = Reporter(self.client, assignment.progress_interval_seconds, self._end_task)
        questions = Questions(self.client, assignment.attempt, loop, self._end_task)
        return _Talk(_Channel(reporter, questions), loop.create_task(questions.run()))

    def _end_task(self, error: TaskOverError) -> None:
        logger.warning("ending the tool: %s", error)
        self.termination.end_task()

    def _outcome(self, assignment: Assignment, channel: _Channel) -> Outcome:
        try:
            server = self._load(assignment)
        except LoadError as error:
            if error.trace:
                logger.error("the module cannot be loaded\n%s", error.trace)
            return FailureOutcome(
                reason=Reason.MODULE_NOT_LOADABLE,
                message=f"{error}. Make sure that the task Pods' image has the module and all that it imports.",
            )
        self._leave_if_terminated()
        return self._execute(server, assignment, channel)

    def _load(self, assignment: Assignment) -> TaskServer[object]:
        module = self.settings.module or assignment.module
        if not module:
            raise LoadError("neither the Pod (MCPTASKS_MODULE) nor the server says which module to run")
        return load_server(module)

    def _execute(self, server: TaskServer[object], assignment: Assignment, channel: _Channel) -> Outcome:
        task = self._task_info(assignment)
        target = find_target(server.components, assignment)
        if not runs_in_main_thread(target):
            return run_here(execute(server.components, target, assignment, channel, call_here, task), self.termination)

        def start(call_sync: CallSync) -> LoopJob[Outcome]:
            return self.loop_thread.submit(execute(server.components, target, assignment, channel, call_sync, task))

        return run_beside(start, self.termination)

    def _task_info(self, assignment: Assignment) -> TaskInfo:
        left = self._deadline(assignment) - time.monotonic()
        return TaskInfo(
            id=assignment.task_id,
            attempt=assignment.attempt,
            deadline=datetime.now(UTC) + timedelta(seconds=left),
            cancelled=self.termination.event,
        )

    def _leave_if_terminated(self) -> None:
        """A component that swallowed its end has still been asked to end."""
        if self.termination.requested:
            _terminated()

    async def _bring_home(self, assignment: Assignment, talk: _Talk, body: bytes) -> None:
        await talk.end()
        deadline = max(self._deadline(assignment), time.monotonic() + LEAST_DELIVERY_SECONDS)
        try:
            await self.client.deliver(body, deadline)
        except RejectedError as error:
            logger.error("the gateway does not take the outcome: %s", error)
            await self.client.deliver(encoded(not_serializable(str(error))), deadline)

    def _hurry(self) -> None:
        """Asked to end while the outcome is on its way: go on for most of the grace period."""
        grace = self.settings.grace_seconds
        self.client.latest = time.monotonic() + grace - min(FAREWELL_SECONDS, grace / 2)

    def _deadline(self, assignment: Assignment) -> float:
        return self.started + (assignment.timeout_seconds or self.settings.default_timeout_seconds)


def _terminated() -> NoReturn:
    raise Terminated
