"""How a task's process is started and stopped: one small interface, chosen by the template's `executor`.

Whatever executes a task keeps a Job of the task's name: people, quotas, TTL and garbage collection work on Jobs. An
executor with Pods of its own takes over such a Job with `spec.managedBy`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import JOBS
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import Executor, McpTaskTemplateSpec
from mcptasks.settings import Settings
from mcptasks_operator.deciding.decisions import CreateJob
from mcptasks_operator.deciding.manifests import make_job
from mcptasks_operator.deciding.object_facts import MANAGED_BY_WARM
from mcptasks_operator.deciding.pod_spec import InvalidTemplateError
from mcptasks_operator.deciding.worker_manifests import finished_job_status, make_warm_job

JOBS_AT_A_TIME = 4
"""How many Jobs of warm tasks are written at the same time: they must not get in the way of what callers wait for."""

NO_MANAGED_BY = (
    "the API server does not know managedBy of Jobs: executor Warm needs Kubernetes 1.32, or the feature gate "
    "JobManagedBy"
)


@dataclass(frozen=True)
class JobExecutor:
    """A Job of the stock Job controller: a Pod of its own for each attempt."""

    kube: KubeClient
    settings: Settings

    async def start(self, task: McpTask, template: McpTaskTemplateSpec) -> JsonObject:
        return await self.kube.create(JOBS, make_job(task, template, self.settings), task.namespace)


@dataclass(frozen=True)
class WarmExecutor:
    """Workers run the task; the Job is a record of it, which is made when there is time."""

    kube: KubeClient
    settings: Settings
    writing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(JOBS_AT_A_TIME))

    async def start(self, task: McpTask, template: McpTaskTemplateSpec, ttl_seconds: int) -> JsonObject:
        job = make_warm_job(task, template, self.settings, ttl_seconds)
        async with self.writing:
            made = await self.kube.create(JOBS, job, task.namespace)
        if (made.get("spec") or {}).get("managedBy") == MANAGED_BY_WARM:
            return made
        await delete_job(self.kube, task.namespace, task.name, made["metadata"]["uid"])
        raise InvalidTemplateError(NO_MANAGED_BY)

    async def finish(self, task: McpTask, uid: str, now: datetime) -> JsonObject:
        """Write the task's end into its Job.

        Raises:
            KubeError: as NotFoundError where the Job is gone, ConflictError where it is another Job.
        """
        body = {"metadata": {"uid": uid}, "status": finished_job_status(task, now)}
        async with self.writing:
            return await self.kube.patch(JOBS, task.name, body, task.namespace, subresource="status")


async def delete_job(kube: KubeClient, namespace: str, name: str, uid: str) -> JsonObject:
    """Delete the Job with its Pods if it has this uid; returns the API server's answer.

    Raises:
        KubeError: as NotFoundError where the Job is gone, ConflictError where it is another Job.
    """
    return await kube.delete(JOBS, name, namespace, uid=uid, propagation="Background")


@dataclass(frozen=True)
class Executors:
    """Makes and removes Jobs as decisions name their executors."""

    kube: KubeClient
    job: JobExecutor
    warm: WarmExecutor

    @classmethod
    def build(cls, kube: KubeClient, settings: Settings) -> Self:
        return cls(kube, JobExecutor(kube, settings), WarmExecutor(kube, settings))

    async def start(self, step: CreateJob, task: McpTask, template: McpTaskTemplateSpec) -> JsonObject:
        """Create the task's Job and return it as the API server stored it.

        Raises:
            InvalidTemplateError: the template's Pod is not one.
            KubeError: the API server refused it, or could not be asked.
        """
        match step.executor:
            case Executor.JOB:
                return await self.job.start(task, template)
            case Executor.WARM:
                return await self.warm.start(task, template, step.ttl_seconds)

    async def stop(self, namespace: str, name: str, uid: str) -> JsonObject:
        """As `delete_job`."""
        return await delete_job(self.kube, namespace, name, uid)
