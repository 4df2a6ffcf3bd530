"""Carries out decisions: look, decide, do one step, look again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KubeError,
    NotFoundError,
)
from mcptasks.kube.kinds import JOBS, PODS
from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.kube.watch_cache import Key
from mcptasks.logs import bind_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks.settings import Settings
from mcptasks_operator.acting.events import EventPoster
from mcptasks_operator.acting.executors import Executors
from mcptasks_operator.acting.gatherer import Gatherer
from mcptasks_operator.acting.log_keeper import LogKeeper
from mcptasks_operator.acting.pool_keeper import PoolKeeper
from mcptasks_operator.acting.run_watch import RunWatch
from mcptasks_operator.acting.trace_sender import TraceSender
from mcptasks_operator.deciding.decide import decide
from mcptasks_operator.deciding.decisions import (
    AdmitTask,
    AdoptWorker,
    CreateJob,
    Decision,
    DeleteJob,
    DeletePods,
    DeleteTask,
    EndTask,
    FinishJob,
    Gather,
    MarkTerminated,
    ReleaseClaim,
    SetJobTtl,
    ShowCause,
    StatusWrite,
    Step,
)
from mcptasks_operator.deciding.gathered_evidence import Evidence, JobRefusal, RefusalKind, TemplateState
from mcptasks_operator.deciding.manifests import template_hash
from mcptasks_operator.deciding.pod_spec import InvalidTemplateError
from mcptasks_operator.deciding.policy import Policy, is_default_template, policy_of
from mcptasks_operator.deciding.statuses import patch_for
from mcptasks_operator.deciding.worker_manifests import adopting_patch
from mcptasks_operator.metrics import OperatorMetrics
from mcptasks_operator.watching.cache import Cache, TaskSnapshot
from mcptasks_operator.watching.watched_kinds import WatchedKind

logger = logging.getLogger(__name__)

MAX_STEPS = 12
"""Steps that a task may take before the worker turns to the next task."""

YIELD_SECONDS = 0.5


@dataclass(frozen=True)
class Reconciler:
    """Takes the steps that are due for a task. `since` is when this operator began to lead."""

    kube: KubeClient
    cache: Cache
    executors: Executors
    pools: PoolKeeper
    gatherer: Gatherer
    events: EventPoster
    settings: Settings
    since: datetime
    now: Callable[[], datetime] = utc_now
    metrics: OperatorMetrics = field(default_factory=OperatorMetrics)
    traces: TraceSender | None = None
    log_keeper: LogKeeper | None = None
    runs: RunWatch = field(default_factory=RunWatch)

    @property
    def tasks(self) -> TaskClient:
        return TaskClient(self.kube, observer=self.metrics.tasks)

    async def reconcile(self, key: Key) -> float | None:
        """Do all that is due for the task; returns in how many seconds to look again, if at all.

        Raises:
            KubeError: the API server refused what it should not, or does not answer. Try again later.
        """
        with bind_task(key[1]):
            return await self._reconcile(key)

    async def _reconcile(self, key: Key) -> float | None:
        evidence = self._initial_evidence()
        for _ in range(MAX_STEPS):
            snapshot = self.cache.snapshot(key)
            if snapshot is None:
                self.runs.forget(key)
                return None
            try:
                task = parse_task(snapshot.task)
            except InvalidError as error:
                logger.error("%s", error)
                return None
            if self.log_keeper is not None:
                # Before a step that may take the Pod away.
                self.log_keeper.offer(task, snapshot.task, snapshot.pods)
            situation = self._situation(key, snapshot, task, evidence)
            decision = situation.decision
            if decision.step is None:
                if decision.notice is not None:
                    self.events.post(task, decision.notice)
                if self.traces is not None:
                    self.traces.offer(task, snapshot.task, snapshot.pods)
                return decision.requeue_after
            result = await self._carry_out(situation, decision.step)
            evidence = result.evidence
            if decision.notice is not None and result.effective:
                self.events.post(task, decision.notice)
        return YIELD_SECONDS

    def _initial_evidence(self) -> Evidence:
        return Evidence(watching_since=self.since)

    def _situation(self, key: Key, snapshot: TaskSnapshot, task: McpTask, evidence: Evidence) -> Situation:
        template = self.cache.template(task.namespace, task.spec.template_ref.name)
        if template is None and evidence.template is TemplateState.FOUND and evidence.refusal is None:
            evidence = replace(evidence, template=TemplateState.UNKNOWN)
        if evidence.template is TemplateState.MISSING and is_default_template(task):
            evidence = replace(evidence, template=TemplateState.FOUND)
        spec = template or McpTaskTemplateSpec()
        if not task.terminal:
            pod_template = snapshot.job.template_hash if snapshot.job is not None else template_hash(spec)
            evidence = replace(evidence, last_scheduled_at=self.cache.last_scheduled(task.namespace, pod_template))
        evidence = replace(evidence, watched_seconds=self.runs.seconds(task))
        now = self.now()
        policy = policy_of(task, template, self.settings)
        if task.status.pod_uid is None:
            if not task.terminal:
                evidence = replace(evidence, pool=self.pools.evidence(task, policy))
        else:
            waiting = self.cache.work.waiting((task.namespace, task.spec.template_ref.name))
            evidence = replace(evidence, waiting=waiting)
        evidence = replace(evidence, turn=self.cache.limited.turn(task.uid))
        decision = decide(task, snapshot.job, snapshot.pods, now, policy, evidence)
        return Situation(key, snapshot, task, spec, policy, now, evidence, decision)

    async def _carry_out(self, at: Situation, step: Step) -> StepResult:
        match step:
            case Gather():
                return StepResult(await self.gatherer.gather(at.key, at.snapshot, step.need, at.evidence))
            case CreateJob():
                return await self._create_job(at, step)
            case ShowCause():
                return StepResult(at.evidence, await self._write_status(at, step))
            case EndTask() | MarkTerminated() | ReleaseClaim() | AdmitTask():
                return StepResult(self._initial_evidence(), await self._write_status(at, step))
            case DeleteJob():
                await self._delete_job(at, step)
            case DeletePods():
                await self._delete_pods(at, step)
            case SetJobTtl():
                await self._set_job_ttl(at, step)
            case AdoptWorker() | FinishJob():
                await self._keep_record(at, step)
            case DeleteTask():
                await self._delete_task(at)
        return StepResult(self._initial_evidence())

    async def _create_job(self, at: Situation, step: CreateJob) -> StepResult:
        try:
            job = await self.executors.start(step, at.task, at.template)
        except AlreadyExistsError:
            # Created by this operator before its cache knew, by another one, or by somebody else: the owner tells.
            await self.gatherer.read_job(at.key)
            return StepResult(replace(self._initial_evidence(), fresh=True), effective=False)
        except (InvalidTemplateError, InvalidError) as error:
            return self._refused(at, RefusalKind.INVALID, error)
        except ForbiddenError as error:
            return self._refused(at, RefusalKind.FORBIDDEN, error)
        except KubeError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            return self._refused(at, RefusalKind.INVALID, error)
        self.cache.put(WatchedKind.JOB, job)
        self.metrics.job_created(at.task, self.now())
        logger.info("created the Job")
        return StepResult(self._initial_evidence())

    def _refused(self, at: Situation, kind: RefusalKind, error: Exception) -> StepResult:
        return StepResult(replace(at.evidence, refusal=JobRefusal(kind, str(error))), effective=False)

    async def _write_status(self, at: Situation, write: StatusWrite) -> bool:
        """Write to the very version on which the decision rests; for a newer one a new decision is made.

        Returns whether it was written.
        """
        written = False
        if isinstance(write, AdmitTask):
            # Before anything else is decided: its place is nobody else's from here on, whatever becomes of the write.
            self.cache.limited.give(at.task.uid, at.now)

        def change(task: McpTask) -> JsonObject | None:
            nonlocal written
            written = task.metadata.resource_version == at.task.metadata.resource_version
            return patch_for(task, write, at.now, at.policy) if written else None

        try:
            self.cache.put(WatchedKind.TASK, await self.tasks.update_status(at.snapshot.task, change))
        except NotFoundError:
            self.cache.forget_task(at.key, at.task.uid)
            return False
        if written and isinstance(write, EndTask):
            logger.info("%s (%s): %s", write.ending.phase.value, write.ending.reason.value, write.ending.message)
        return written

    async def _delete_job(self, at: Situation, step: DeleteJob) -> None:
        try:
            answer = await self.executors.stop(at.task.namespace, at.task.name, step.uid)
        except (NotFoundError, ConflictError):
            answer = {}
        if answer.get("kind") == "Job" and answer["metadata"].get("deletionTimestamp"):
            self.cache.put(WatchedKind.JOB, answer)
        else:
            self.cache.remove_job(at.key, step.uid)
        logger.info("deleted the Job")

    async def _delete_pods(self, at: Situation, step: DeletePods) -> None:
        for pod in step.pods:
            try:
                answer = await self.kube.delete(PODS, pod.name, at.task.namespace, uid=pod.uid)
            except (NotFoundError, ConflictError):
                self.cache.remove_pod(at.key, pod.uid)
                continue
            if answer.get("kind") == "Pod":
                self.cache.put(WatchedKind.POD, answer)
            logger.info("deleted Pod %s, which had lost its Job", pod.name)

    async def _set_job_ttl(self, at: Situation, step: SetJobTtl) -> None:
        if at.snapshot.job is None:
            return
        body = {"metadata": {"uid": at.snapshot.job.uid}, "spec": {"ttlSecondsAfterFinished": step.seconds}}
        try:
            self.cache.put(WatchedKind.JOB, await self.kube.patch(JOBS, at.task.name, body, at.task.namespace))
        except (NotFoundError, ConflictError):
            await self.gatherer.read_job(at.key)

    async def _keep_record(self, at: Situation, step: AdoptWorker | FinishJob) -> None:
        """What the Job controller does for Jobs that make Pods."""
        if isinstance(step, AdoptWorker):
            await self._adopt_worker(at, step)
        else:
            await self._finish_job(at, step)

    async def _adopt_worker(self, at: Situation, step: AdoptWorker) -> None:
        body = adopting_patch(at.task, step.uid, step.job_uid)
        try:
            self.cache.put(WatchedKind.POD, await self.kube.patch(PODS, step.name, body, at.task.namespace))
        except (NotFoundError, ConflictError):
            self.cache.remove_worker((at.task.namespace, step.name), step.uid)

    async def _finish_job(self, at: Situation, step: FinishJob) -> None:
        try:
            self.cache.put(WatchedKind.JOB, await self.executors.warm.finish(at.task, step.uid, at.now))
        except (NotFoundError, ConflictError):
            await self.gatherer.read_job(at.key)

    async def _delete_task(self, at: Situation) -> None:
        with suppress(NotFoundError, ConflictError):
            await self.tasks.delete(at.task.namespace, at.task.name, at.task.uid)
        self.cache.forget_task(at.key, at.task.uid)
        logger.info("deleted the expired task")


@dataclass(frozen=True)
class StepResult:
    """What a step has led to: the evidence for the next decision, and whether the step had its effect."""

    evidence: Evidence
    effective: bool = True


@dataclass(frozen=True)
class Situation:
    """What was known of a task when a step was decided, and the decision."""

    key: Key
    snapshot: TaskSnapshot
    task: McpTask
    template: McpTaskTemplateSpec
    policy: Policy
    now: datetime
    evidence: Evidence
    decision: Decision
