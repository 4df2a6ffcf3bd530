"""Hands a task to the Pod that may run it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mcptasks.gateway.claims import (
    AssignmentTerms,
    Rival,
    RivalChangedError,
    assignment,
    claim,
    refuse_foreign_and_ended,
)
from mcptasks.gateway.contract import Assignment, RefusalCode, UnstartedOutcome
from mcptasks.gateway.pod_directory import PodDirectory
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError, unavailable
from mcptasks.gateway.task_arguments import (
    InvalidArgumentsError,
    arguments_text,
    fault_of_spec,
    unfit_arguments,
    without_arguments,
)
from mcptasks.gateway.task_records import TaskRecords
from mcptasks.gateway.worker_ends import ended_with_worker
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Ending, Retention, end
from mcptasks.model.task import McpTask, Phase, Reason

logger = logging.getLogger(__name__)

MAX_RIVALS = 5
"""How many Pods may claim a task while one tries to."""


@dataclass(frozen=True)
class Assignments:
    """Claims tasks for Pods, and ends those whose arguments no tool can be given."""

    records: TaskRecords
    pods: PodDirectory
    terms: AssignmentTerms
    retention: Retention
    clock: Callable[[], datetime]

    async def assign(self, pod: TaskPod) -> Assignment:
        """What the Pod is to run. Claims the attempt for it, once. Raises RefusedError, KubeError."""
        item = await self.records.read(pod)
        if (fault := fault_of_spec(item)) is not None:
            await self.records.write(without_arguments(item), lambda task: self._refuse_arguments(task, pod, fault))
            raise RefusedError(RefusalCode.TASK_ENDED, f"task {pod.task_name} cannot be run: {fault}")
        task = parse_task(await self._claimed(pod, item))
        refuse_foreign_and_ended(task, pod)
        logger.info("attempt %s runs in its Pod", task.status.attempts, extra={"task": task.name, "pod": pod.name})
        return assignment(task, pod, self.terms)

    async def _claimed(self, pod: TaskPod, item: JsonObject) -> JsonObject:
        for _ in range(MAX_RIVALS):
            try:
                return await self.claimed(pod, item, await self.pods.rival(pod, item))
            except RivalChangedError:
                item = await self.records.read(pod)
        raise unavailable(f"task {pod.task_name} changes hands too often")

    async def claimed(self, pod: TaskPod, item: JsonObject, rival: Rival | None) -> JsonObject:
        """The task with the Pod's claim written; `rival` is the Pod that had it as the item says.

        Raises RefusedError, RivalChangedError, KubeError.
        """
        return await self.records.write(item, lambda task: self._claim(task, pod, rival))

    async def refuse_unfit(self, pod: TaskPod, item: JsonObject) -> None:
        """End the task where no tool can be given its arguments, which the watch cache does not have.

        Raises RefusedError then, KubeError.
        """
        why = unfit_arguments(item)
        if why is not None:
            await self.records.write(without_arguments(item), lambda task: self._refuse_unfit(task, pod, why))
            raise RefusedError(RefusalCode.TASK_ENDED, f"the arguments of task {pod.task_name} fit no tool: {why}")

    def _refuse_unfit(self, task: McpTask, pod: TaskPod, why: str) -> JsonObject:
        refuse_foreign_and_ended(task, pod)
        return ended_with_worker(task, self._invalid_arguments(task, why), UnstartedOutcome(), self.clock())

    def _claim(self, task: McpTask, pod: TaskPod, rival: Rival | None) -> JsonObject | None:
        patch = claim(task, pod, rival, self.clock(), self.retention)
        try:
            arguments_text(task)
        except InvalidArgumentsError as error:
            return self._invalid_arguments(task, str(error))
        return patch

    def _refuse_arguments(self, task: McpTask, pod: TaskPod, fault: str) -> JsonObject:
        refuse_foreign_and_ended(task, pod)
        return self._invalid_arguments(task, fault)

    def _invalid_arguments(self, task: McpTask, why: str) -> JsonObject:
        message = f"the arguments cannot be given to a tool: {why}"
        return end(task, Ending(Phase.FAILED, Reason.INVALID_ARGUMENTS, message), self.clock(), self.retention)
