"""What the runner process does, from its assignment to its exit code."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from mcptasks.authoring.call_facts import TaskInfo
from mcptasks.authoring.loader import LoadError
from mcptasks.authoring.task_server import TaskServer
from mcptasks.gateway.contract import Assignment, ErrorOutcome, FailureOutcome, Outcome, ResultOutcome
from mcptasks.logs import bind_task
from mcptasks.model.task import Reason
from mcptasks.runner.delivery import deliver
from mcptasks.runner.execution import ComponentExecution
from mcptasks.runner.gateway_channel import GatewayChannel
from mcptasks.runner.gateway_client import GatewayClient, GatewayUnreachableError, TaskOverError
from mcptasks.runner.loop_thread import LoopThread
from mcptasks.runner.main_thread import run_component
from mcptasks.runner.outcome_encoding import encoded, exit_code, within_limit
from mcptasks.runner.own_usage import own_usage
from mcptasks.runner.signals import Termination, TerminationRequested, terminate
from mcptasks.settings import Settings
from mcptasks.tracing.call_spans import component_span, mark_failed
from mcptasks.tracing.trace_contexts import below_task

logger = logging.getLogger(__name__)

ASSIGNMENT_SECONDS = 3600.0
"""How long the assignment is tried for: until it is there, the task's own deadline is not known."""

LEAST_DELIVERY_SECONDS = 30.0
"""How long delivery is tried for where the deadline has passed; the kubelet ends it sooner if it wants to."""

REPORT_SECONDS = 5.0
"""How much of the grace period is kept for the process to say that it could not deliver: once killed, it cannot."""

NOT_LOADABLE_HINT = "Make sure that the task Pods' image has the module and all that it imports."


@dataclass(frozen=True)
class TaskProcess:
    """One attempt of one task.

    Args:
        load: gives the server that the assignment is for. Raises LoadError.
        started: when the attempt began, by `time.monotonic()`; None: it begins with its assignment.
    """

    settings: Settings
    client: GatewayClient
    loop_thread: LoopThread
    termination: Termination
    load: Callable[[Assignment], TaskServer[object]]
    started: float | None = None

    def run(self) -> int:
        """Fetch, load, run and deliver; gives the exit code.

        Raises:
            TaskOverError: the gateway says that there is nothing left to do.
            GatewayUnreachableError, RejectedError: no assignment, or the outcome could not be delivered.
            TerminationRequested: a signal has ended the work; whatever else the component ended the process with.
        """
        assignment = self._assignment()
        attempt = replace(self, started=time.monotonic() if self.started is None else self.started)
        with bind_task(assignment.task_id), below_task(assignment.trace_context, assignment.uid):
            logger.info("attempt %s: %s %s", assignment.attempt, assignment.component.kind, assignment.component.name)
            return attempt._run(assignment, measured=self.started is not None)

    def _assignment(self) -> Assignment:
        try:
            # A process that is made before its task is there may wait for it as long as it likes.
            until = math.inf if self.started is None else self.started + ASSIGNMENT_SECONDS
            return self.loop_thread.run(self.client.assignment(until))
        except TerminationRequested:
            # The kubelet ends the Pod at its deadline: what kept it from running says more than that.
            if self.client.last_failure is None:
                raise
            raise GatewayUnreachableError(f"ended without an assignment: {self.client.last_failure}") from None

    def _run(self, assignment: Assignment, *, measured: bool) -> int:
        """`measured`: the process is the attempt's from its start. What a worker's has used its worker knows better."""
        channel = self.loop_thread.run(GatewayChannel.opened(self.client, assignment, self._end_task))
        outcome = self._outcome(assignment, channel)
        with self.termination.reacting(self._limit_delivery):
            self._leave_if_terminated()
            limited = within_limit(outcome, assignment.max_result_bytes)
            if measured:
                limited = limited.model_copy(update={"usage": own_usage(time.monotonic() - (self.started or 0.0))})
            code, body = exit_code(limited), encoded(limited)
            del outcome, limited
            self.loop_thread.run(self._deliver(assignment, channel, body))
        logger.info("the outcome is recorded")
        return code

    def _end_task(self, error: TaskOverError) -> None:
        logger.warning("ending the tool: %s", error)
        self.termination.end_task()

    def _outcome(self, assignment: Assignment, channel: GatewayChannel) -> Outcome:
        try:
            server = self.load(assignment)
        except LoadError as error:
            if error.trace:
                logger.error("the module cannot be loaded\n%s", error.trace)
            return FailureOutcome(
                reason=Reason.MODULE_NOT_LOADABLE,
                message=f"{error if assignment.show_exceptions else error.masked}. {NOT_LOADABLE_HINT}",
                detail=str(error),
            )
        self._leave_if_terminated()
        execution = ComponentExecution.of(server.components, assignment, channel, self._task_info(assignment))
        component = assignment.component
        with component_span(component.kind, component.name, _of_task(assignment)) as span:
            outcome = run_component(execution, self.loop_thread, self.termination)
            if not isinstance(outcome, ResultOutcome):
                mark_failed(span, str(outcome.code) if isinstance(outcome, ErrorOutcome) else outcome.reason.value)
            elif outcome.is_error:
                mark_failed(span, "tool_error")
            return outcome

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
            terminate()

    async def _deliver(self, assignment: Assignment, channel: GatewayChannel, body: bytes) -> None:
        await channel.aclose()
        deadline = max(self._deadline(assignment), time.monotonic() + LEAST_DELIVERY_SECONDS)
        await deliver(self.client, body, deadline)

    def _limit_delivery(self) -> None:
        """Asked to end while the outcome is on its way: go on for most of the grace period."""
        grace = self.settings.grace_seconds
        self.client.retry_until = time.monotonic() + grace - min(REPORT_SECONDS, grace / 2)

    def _deadline(self, assignment: Assignment) -> float:
        return (self.started or 0.0) + (assignment.timeout_seconds or self.settings.default_timeout_seconds)


def _of_task(assignment: Assignment) -> dict[str, str | int]:
    return {
        "mcptasks.task.id": assignment.task_id,
        "k8s.namespace.name": assignment.namespace,
        "mcptasks.task.attempt": assignment.attempt,
    }
