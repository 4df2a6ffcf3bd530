"""Keeps the workers of templates with `executor: Warm`: look, plan, make and remove Pods."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import AlreadyExistsError, ConflictError, KubeError, NotFoundError
from mcptasks.kube.kinds import PODS
from mcptasks.kube.watch_cache import Key
from mcptasks.model.base import ANNOTATION_DRAIN, JsonObject
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.task import McpTask, Reason
from mcptasks.model.task_template import Executor
from mcptasks.settings import Settings
from mcptasks_operator.acting.expected_workers import ExpectedWorkers
from mcptasks_operator.acting.pod_refusals import PodRefusals
from mcptasks_operator.deciding.gathered_evidence import PoolEvidence
from mcptasks_operator.deciding.object_facts import PodFacts
from mcptasks_operator.deciding.pod_spec import InvalidTemplateError
from mcptasks_operator.deciding.policy import Policy, policy_of_workers, start_limit
from mcptasks_operator.deciding.pool_plan import (
    USUAL_START_SECONDS,
    PoolDemand,
    PoolFailures,
    PoolMember,
    PoolPlan,
    crash_of,
    evidence_of,
    plan,
    shortage_of,
    stuck_from,
)
from mcptasks_operator.deciding.pool_report import PoolCounts, PoolReport, counts_of
from mcptasks_operator.deciding.worker_manifests import (
    TemplateObject,
    current_pod_hash,
    gateway_of,
    make_worker,
    worker_name,
    worker_pod_template,
)
from mcptasks_operator.metrics import OperatorMetrics
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.watched_kinds import WatchedKind

logger = logging.getLogger(__name__)

SUFFIX_BYTES = 4
"""Of randomness in a worker's name."""

LOOK_SECONDS = 5.0
"""How often a worker is looked for whose creation was not answered, and that is not wanted any more."""


async def _unreported(_template: TemplateObject, _report: PoolReport | None) -> None:
    """Keeps what is known of the workers to itself."""


@dataclass(eq=False)
class PoolKeeper:
    """The pools of all templates.

    `wake` is called with each task that waits when its pool's prospects have changed, `report` with each look at a
    pool: it says in how many seconds it wants another one. `home` is the namespace of the server whose gateway workers
    reach by default; None where it is not known. `since` is when this operator began to lead: what its workers did
    before, nobody knows.
    """

    kube: KubeClient
    cache: Cache
    settings: Settings
    wake: Callable[[Key], None]
    now: Callable[[], datetime] = utc_now
    home: str | None = None
    since: datetime | None = None
    report: Callable[[TemplateObject, PoolReport | None], Awaitable[float | None]] = _unreported
    metrics: OperatorMetrics = field(default_factory=OperatorMetrics)
    _failures: dict[str, PoolFailures] = field(default_factory=dict)
    _counted: set[str] = field(default_factory=set)
    _refusals: PodRefusals = field(default_factory=PodRefusals)
    _expected: ExpectedWorkers = field(default_factory=ExpectedWorkers)
    _was_ready: set[str] = field(default_factory=set)

    def evidence(self, task: McpTask, policy: Policy) -> PoolEvidence:
        """What the state of the task's pool means for a task that waits."""
        key = task.namespace, task.spec.template_ref.name
        template = self.cache.template_object(key)
        if template is None or template.spec.executor is not Executor.WARM:
            return PoolEvidence()
        if (stranger := self._stranger(template)) is not None:
            return PoolEvidence(cause=stranger, failure=stranger)
        refusal, now = self._refusal_of(template), self.now()
        found = evidence_of(self._members(template), self._failures_of(template), policy, now)
        if refusal is not None and not found.workers:
            # After the pause a task waits for the next try, as after failures: nothing else would bring it about.
            gives_up = refusal.permanent and self._pause(template, now) is not None
            found = replace(found, cause=refusal, failure=refusal if gives_up else None)
        return replace(found, last_taken_at=self.cache.work.last_taken_at(key))

    async def reconcile(self, key: Key) -> float | None:
        """Do what is due for the template's workers; returns in how many seconds to look again, if at all.

        Raises:
            KubeError: the API server does not answer. Try again later.
        """
        template = self.cache.template_object(key)
        if template is None:
            self._forget_deleted()
            return None
        members = self._members(template)
        stranger = self._stranger(template)
        if template.spec.executor is not Executor.WARM or stranger is not None:
            await self._drain(template, tuple(m.pod for m in members if not m.leaving))
            await self._delete(template, tuple(m.pod for m in members if m.pod.runner_ended))
            is_warm = template.spec.executor is Executor.WARM
            return await self.report(template, PoolReport(PoolCounts(), stranger) if is_warm else None)
        failures = self._count_failures(template, members)
        demand = self._demand(template, members)
        step = plan(template.pool, members, demand, failures, self.now())
        await self._delete(template, step.delete)
        await self._drain(template, step.drain)
        again = await self._create(template, step)
        shown = await self.report(template, self._report(template, counts_of(members, demand, step.wanted)))
        waits = [seconds for seconds in (step.requeue_after, again, shown) if seconds is not None]
        return min(waits, default=None)

    def _stranger(self, template: TemplateObject) -> Diagnosis | None:
        """Why the template can have no workers where it is; None where it can."""
        if self.home in (None, template.namespace):
            return None
        with suppress(InvalidTemplateError):
            if gateway_of(worker_pod_template(template, self.settings)) != self.settings.gateway_url:
                return None
        return Diagnosis(
            Reason.INVALID_TEMPLATE,
            f"McpTaskTemplate {template.name} has executor: Warm, which is for namespace {self.home} alone, "
            f"the server's own; this is namespace {template.namespace}",
            "Use executor: Job here, or a template in that namespace",
            permanent=True,
        )

    def _forget_deleted(self) -> None:
        """Keep nothing of templates that are gone."""
        known = {template.uid for template in self.cache.all_templates()}
        self._failures = {uid: failures for uid, failures in self._failures.items() if uid in known}
        self._expected.keep(known)
        self._refusals.keep(known)

    def _demand(self, template: TemplateObject, members: list[PoolMember]) -> PoolDemand:
        key = template.namespace, template.name
        for name in self._expected.unseen(template.uid):
            if self.cache.workers.of((template.namespace, name)):
                self._expected.settle(template.uid, name)
        self._note_starts(template, members)
        estimates, refusal = self.cache.work.estimates(key), self._refusal_of(template)
        age = self.cache.work.mean_age([member.pod.uid for member in members])
        usual = estimates.task.seconds
        return PoolDemand(
            waiting=self.cache.work.waiting(key),
            given_away=self.cache.given_away(template),
            unseen=len(self._expected.unseen(template.uid)),
            refused=refusal is not None and refusal.reason is Reason.QUOTA_EXCEEDED,
            calls_per_second=estimates.calls_per_second(self.now()),
            task_seconds=None if usual is None else max(usual, age),
            start_seconds=estimates.start.seconds or USUAL_START_SECONDS,
        )

    def _note_starts(self, template: TemplateObject, members: list[PoolMember]) -> None:
        for member in members:
            pod = member.pod
            if pod.ready and not member.was_ready:
                self._was_ready.add(pod.uid)
                if pod.ready_at is not None:
                    seconds = (pod.ready_at - pod.created_at).total_seconds()
                    self.cache.work.worker_started((template.namespace, template.name), seconds)
        self._was_ready &= {pod.uid for pod in self.cache.all_workers()}

    def _report(self, template: TemplateObject, counts: PoolCounts) -> PoolReport:
        """With what keeps workers from being ready, where some are missing."""
        if counts.ready >= counts.wanted:
            return PoolReport(counts)
        failures = self._failures_of(template)
        # The last worker that has failed is kept for its log, also when others have started since.
        members = [m for m in self._members(template) if failures.count or not m.pod.runner_failed]
        policy = policy_of_workers(template.name, template.spec, self.settings)
        cause = self._refusal_of(template) or shortage_of(members, failures, policy, self.now()).cause
        # That a worker loads its module is no fault.
        return PoolReport(counts, None if cause is None or cause.reason is Reason.PENDING else cause)

    def _members(self, template: TemplateObject) -> list[PoolMember]:
        current = self._hash_of(template)
        start = start_limit(template.spec, template.name, self.settings)
        return [
            PoolMember(
                pod=pod,
                current=pod.template_hash == current,
                tasks=len(self.cache.work.held_by(pod.uid)),
                idle_since=self.cache.work.idle_since(pod.uid) or self._never_busy_since(pod),
                stuck_from=stuck_from(pod, start),
                was_ready=pod.uid in self._was_ready,
            )
            for pod in self.cache.workers_of(template)
        ]

    def _never_busy_since(self, pod: PodFacts) -> datetime | None:
        if pod.started_at is None or self.since is None:
            return pod.started_at
        return max(pod.started_at, self.since)

    def _hash_of(self, template: TemplateObject) -> str:
        try:
            return current_pod_hash(template, self.settings)
        except InvalidTemplateError:
            return ""

    def _refusal_of(self, template: TemplateObject) -> Diagnosis | None:
        """Why the template as it is gets no workers. Hashes it only where a try was refused: each waiting task asks."""
        if not self._refusals.knows(template.uid):
            return None
        return self._refusals.of(template.uid, self._hash_of(template))

    def _pause(self, template: TemplateObject, now: datetime) -> float | None:
        """For how many seconds not to try again; None where there is nothing to wait for."""
        return self._refusals.pause(template.uid, self._hash_of(template), now)

    def _failures_of(self, template: TemplateObject) -> PoolFailures:
        """Those of workers as they are made now."""
        none = PoolFailures(made_from=self._hash_of(template))
        known = self._failures.get(template.uid, none)
        return known if known.made_from == none.made_from else none

    def _count_failures(self, template: TemplateObject, members: list[PoolMember]) -> PoolFailures:
        """A ready worker ends a series of failures."""
        before = failures = self._failures_of(template)
        if any(member.pod.ready and member.current for member in members):
            failures = PoolFailures(made_from=before.made_from)
        for member in members:
            pod = member.pod
            if pod.runner_failed and pod.uid not in self._counted and not pod.deleting:
                self._counted.add(pod.uid)
                policy = policy_of_workers(template.name, template.spec, self.settings)
                self.metrics.worker_failed(template.name, crash_of(pod, policy).reason)
                if member.current:
                    last_at = max(pod.ended_at, failures.last_at or pod.ended_at)
                    failures = PoolFailures(failures.count + 1, last_at, before.made_from)
        self._counted &= {pod.uid for pod in self.cache.all_workers()}
        if failures != before:
            self._failures[template.uid] = failures
            self._wake_waiting((template.namespace, template.name))
        return failures

    def _wake_waiting(self, key: Key) -> None:
        for task in self.cache.work.waiting_keys(key):
            self.wake(task)

    async def _create(self, template: TemplateObject, step: PoolPlan) -> float | None:
        pause = self._pause(template, self.now())
        if pause is not None:
            return pause
        unseen = self._expected.unseen(template.uid)
        fresh = [worker_name(template, secrets.token_hex(SUFFIX_BYTES)) for _ in range(step.create)]
        for name in [*unseen[: step.repeat], *fresh]:
            self._expected.ask(template.uid, name, self.now())
            try:
                made = await self._make_worker(template, name)
            except (InvalidTemplateError, KubeError) as error:
                return self._refused(template, name, error)
            self.cache.put(WatchedKind.POD, made)
            self._expected.settle(template.uid, name)
            self.metrics.worker_made(template.name)
            self._refusals.forget(template.uid)
            logger.info("made worker %s of McpTaskTemplate %s", name, template.name)
        return await self._look_for(template, unseen[step.repeat :])

    async def _make_worker(self, template: TemplateObject, name: str) -> JsonObject:
        """Create a worker, or find the one that an earlier request has made without being answered."""
        pod = make_worker(template, name, self.settings)
        try:
            return await self.kube.create(PODS, pod, template.namespace)
        except AlreadyExistsError:
            return await self.kube.get(PODS, name, template.namespace)

    async def _look_for(self, template: TemplateObject, names: list[str]) -> float | None:
        """Find out about workers that were asked for and are not wanted any more; says when to look again."""
        for name in names:
            try:
                self.cache.put(WatchedKind.POD, await self.kube.get(PODS, name, template.namespace))
            except NotFoundError:
                if not self._expected.is_over(template.uid, name, self.now()):
                    continue
            self._expected.settle(template.uid, name)
        return LOOK_SECONDS if self._expected.unseen(template.uid) else None

    def _refused(self, template: TemplateObject, name: str, error: InvalidTemplateError | KubeError) -> float:
        """Raises the error where it is not the API server's word on the Pod: it may be there all the same."""
        made_from = self._hash_of(template)
        pause = self._refusals.note(template, made_from, error, self.now())
        self._expected.settle(template.uid, name)
        if (refusal := self._refusals.of(template.uid, made_from)) is not None:
            self.metrics.worker_failed(template.name, refusal.reason)
        logger.warning("no worker of McpTaskTemplate %s: %s; trying again in %.0f s", template.name, error, pause)
        self._wake_waiting((template.namespace, template.name))
        return pause

    async def _drain(self, template: TemplateObject, pods: tuple[PodFacts, ...]) -> None:
        body = {"metadata": {"annotations": {ANNOTATION_DRAIN: "true"}}}
        for pod in pods:
            with suppress(NotFoundError, ConflictError):
                uid = {"metadata": {"uid": pod.uid}}
                patched = await self.kube.patch(
                    PODS, pod.name, {"metadata": body["metadata"] | uid["metadata"]}, template.namespace
                )
                self.cache.put(WatchedKind.POD, patched)
                logger.info("worker %s drains", pod.name)

    async def _delete(self, template: TemplateObject, pods: tuple[PodFacts, ...]) -> None:
        for pod in pods:
            with suppress(NotFoundError, ConflictError):
                answer = await self.kube.delete(PODS, pod.name, template.namespace, uid=pod.uid)
                if answer.get("kind") == "Pod":
                    self.cache.put(WatchedKind.POD, answer)
