"""Claims tasks for workers, by the rules for all claims: a conditional write of the task that is known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from mcptasks.gateway.assignments import Assignments
from mcptasks.gateway.claims import AssignmentTerms, assignment, refuse_unless_runs
from mcptasks.gateway.contract import Assignment, UnstartedOutcome
from mcptasks.gateway.outcomes import is_claimed_by
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import unavailable
from mcptasks.gateway.task_records import TaskRecords
from mcptasks.gateway.template_facts import TemplateFacts
from mcptasks.gateway.worker_ends import terminated_after_end
from mcptasks.gateway.workers import WorkerPod
from mcptasks.kube.errors import ConflictError, UnavailableError
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask

logger = logging.getLogger(__name__)

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""Pauses after a claim of which nobody knows whether it was written. The last one repeats."""

UNBEGUN = "its worker has never begun it"


@dataclass(frozen=True)
class WorkerClaims:
    """Claims tasks for the workers of a gateway."""

    records: TaskRecords
    assignments: Assignments
    templates: TemplateFacts
    terms: AssignmentTerms

    async def claim(
        self, item: JsonObject, worker: WorkerPod, is_connected: Callable[[], bool] = lambda: True
    ) -> Assignment:
        """Write the claim and give the assignment; tries again for as long as the API server cannot be reached.

        Not for a worker that has left meanwhile: a task that is claimed for one that is gone counts as begun.

        Raises:
            RefusedError: the task has ended, is gone, or cannot be run, or the worker has left.
            RivalChangedError: another worker has it.
            KubeError: the API server refuses the write.
        """
        metadata = item["metadata"]
        pod = worker.for_task(metadata["name"], metadata["uid"], 0)
        failures = 0
        while True:
            try:
                return await self._claim(item, worker, pod)
            except (UnavailableError, ConflictError) as error:
                # Whether it was written shows in what is read now, which the next claim begins with.
                logger.warning("the claim of task %s has to wait: %s", pod.task_name, error)
                await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1
                item = await self._reread(pod, item)
                if not is_connected() and (item.get("status") or {}).get("podUid") != worker.uid:
                    raise unavailable(f"worker {worker.name} has left") from error

    async def _claim(self, item: JsonObject, worker: WorkerPod, pod: TaskPod) -> Assignment:
        written = await self.assignments.claimed(pod, item, None)
        await self.assignments.refuse_unfit(pod, written)
        return self.repeated(parse_task(written), worker)

    async def _reread(self, pod: TaskPod, item: JsonObject) -> JsonObject:
        try:
            return await self.records.read(pod)
        except UnavailableError:
            return item

    async def read(self, namespace: str, name: str) -> JsonObject:
        """A task as the API server has it now. Raises KubeError."""
        return await self.records.tasks.get(namespace, name)

    async def all(self, namespace: str) -> list[JsonObject]:
        """All tasks of the namespace as the API server has them now. Raises KubeError."""
        return await self.records.tasks.all(namespace)

    async def claimed_by(self, worker: WorkerPod, name: str, uid: str) -> McpTask | None:
        """The task as the API server has it now, if it runs and this worker has claimed it. Raises KubeError."""
        task = parse_task(await self.records.read(worker.for_task(name, uid, 0)))
        pod = worker.for_task(name, uid, task.status.attempts or 0)
        return task if is_claimed_by(task, pod) and not task.terminal and not task.spec.cancel else None

    async def note_unbegun(self, worker: WorkerPod, name: str, uid: str) -> None:
        """Note for a task that has ended that nothing of it is in the worker that has claimed it.

        Raises RefusedError, KubeError.
        """

        def change(task: McpTask) -> JsonObject | None:
            if not (task.terminal and is_claimed_by(task, worker.for_task(name, uid, task.status.attempts or 0))):
                return None
            return terminated_after_end(task, UnstartedOutcome(message=UNBEGUN), self.assignments.clock())

        await self.records.write(await self.records.read(worker.for_task(name, uid, 0)), change)

    def repeated(self, task: McpTask, worker: WorkerPod) -> Assignment:
        """The assignment of a task that the worker has claimed. Raises RefusedError where it has not, or it is over."""
        seconds = self.templates.run_limit(task).seconds
        pod = worker.for_task(task.name, task.uid, task.status.attempts or 0, seconds)
        refuse_unless_runs(task, pod)
        return assignment(task, pod, self.terms)
