"""What callers change of their tasks: they cancel them and answer what they ask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mcptasks.kube.errors import KubeError, NotFoundError
from mcptasks.kube.task_objects import StatusChange, StoredTask, parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Ending, end
from mcptasks.model.questions import Answer, answered, outstanding
from mcptasks.model.task import InputRequest, McpTask, Phase, Principal, Reason
from mcptasks.tasks.reader import TaskReader
from mcptasks.tasks.service_errors import TaskEndedError, TaskNotFoundError, UnavailableServiceError
from mcptasks.tasks.views import TaskViews

logger = logging.getLogger(__name__)

Answers = Callable[[Sequence[InputRequest]], Mapping[str, Answer]]
"""Gives the caller's answers, by key, to the questions that a task asks now."""

ECHO_SECONDS = 1.0
"""How long a cancel waits at most for its own write to come back by the watch."""


@dataclass(frozen=True)
class TaskWriter:
    """Writes to the statuses of the tasks that its reader reads."""

    reader: TaskReader
    views: TaskViews

    async def answer(self, task_id: str, principal: Principal | None, answers: Answers) -> None:
        """Store the answers to what the task asks now. The first answer to a question counts.

        Raises TaskNotFoundError, UnavailableServiceError, and what `answers` raises.
        """
        # What the cache has may be older than the questions that the caller has read from another replica.
        read = await self.reader.current(task_id, principal)
        given = answers(outstanding(read.task))
        if given:
            await self._change(
                read, lambda task: answered(task, given, self.views.now()), "The answer could not be stored"
            )

    async def cancel(self, task_id: str, principal: Principal | None) -> McpTask:
        """Make the task cancelled; the operator then ends its process.

        Raises:
            TaskEndedError: it has ended already.
            TaskNotFoundError, UnavailableServiceError.
        """
        known = await self.reader.known(task_id, principal)
        if known.task.terminal:
            raise TaskEndedError(known.task.phase)
        ending = Ending(Phase.CANCELLED, Reason.CANCELLED_BY_CALLER, "Cancelled by the caller")

        def change(task: McpTask) -> JsonObject | None:
            return None if task.terminal else end(task, ending, self.views.now(), self.views.retention)

        written = await self._change(known, change, "The task could not be cancelled")
        task = parse_task(written)
        if task.phase is not Phase.CANCELLED:
            raise TaskEndedError(task.phase)
        logger.info("task cancelled by its caller", extra={"task": task_id})
        # The caller may ask another replica next, which must not say that the task still works.
        await self.reader.cache.echoed(written, ECHO_SECONDS)
        return task

    async def _change(self, read: StoredTask, change: StatusChange, failure: str) -> JsonObject:
        """The object after the change of its status; `failure` says to the caller what could not be done.

        Raises TaskNotFoundError, UnavailableServiceError.
        """
        try:
            written = await self.reader.tasks.update_status(read.item, change, parsed=read.task)
        except NotFoundError:
            raise TaskNotFoundError from None
        except KubeError as error:
            logger.error("%s: %s", failure, error, extra={"task": read.task.name})
            raise UnavailableServiceError(f"{failure} at the moment. Try again.") from error
        self.reader.cache.add(written)
        return written
