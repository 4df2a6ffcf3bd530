"""How a task's process is started and stopped: one small interface, chosen by the template's `executor`.

Whatever executes a task keeps a Job of the task's name: people, quotas, TTL and garbage collection work on Jobs. An
executor with Pods of its own takes over such a Job with `spec.managedBy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import JOBS
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import Executor, McpTaskTemplateSpec
from mcptasks.settings import Settings
from mcptasks_operator.deciding.manifests import make_job
from mcptasks_operator.deciding.pod_spec import InvalidTemplateError


class TaskExecutor(Protocol):
    """Starts and stops the processes of tasks."""

    async def start(self, task: McpTask, template: McpTaskTemplateSpec) -> JsonObject:
        """Create the task's Job and return it as the API server stored it.

        Raises:
            InvalidTemplateError: the template's Pod is not one.
            KubeError: the API server refused it, or could not be asked.
        """

    async def stop(self, namespace: str, name: str, uid: str) -> JsonObject:
        """Delete the Job with its Pods if it has this uid; returns the API server's answer.

        Raises:
            KubeError: as NotFoundError where the Job is gone, ConflictError where it is another Job.
        """


@dataclass(frozen=True)
class JobExecutor:
    """A Job of the stock Job controller: a Pod of its own for each attempt."""

    kube: KubeClient
    settings: Settings

    async def start(self, task: McpTask, template: McpTaskTemplateSpec) -> JsonObject:
        return await self.kube.create(JOBS, make_job(task, template, self.settings), task.namespace)

    async def stop(self, namespace: str, name: str, uid: str) -> JsonObject:
        return await self.kube.delete(JOBS, name, namespace, uid=uid, propagation="Background")


@dataclass(frozen=True)
class RefusingExecutor:
    """Starts nothing, for the reason that it gives; what an earlier template started is stopped as ever."""

    job: TaskExecutor
    reason: str

    async def start(self, task: McpTask, template: McpTaskTemplateSpec) -> JsonObject:
        raise InvalidTemplateError(self.reason)

    async def stop(self, namespace: str, name: str, uid: str) -> JsonObject:
        return await self.job.stop(namespace, name, uid)


@dataclass(frozen=True)
class Executors:
    """The executors by their names in templates."""

    job: TaskExecutor

    def of(self, template: McpTaskTemplateSpec) -> TaskExecutor:
        match template.executor:
            case Executor.JOB:
                return self.job
            case Executor.WARM:
                return RefusingExecutor(self.job, "executor: Warm is not available yet, use Job")
