"""The gateway: hands tasks to the Pods that run them, and writes down what those Pods report.

Several replicas may run. Nothing that matters is kept in memory: each write is conditional on the version of the task
that it was decided on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from mcptasks.gateway.assignments import Assignments
from mcptasks.gateway.claims import AssignmentTerms, refuse_unless_runs
from mcptasks.gateway.contract import (
    Assignment,
    HeldAttempt,
    InputAnswers,
    InputReport,
    ProcessOutcome,
    ProgressReport,
    RefusalCode,
    UnstartedOutcome,
    WorkerOutcome,
)
from mcptasks.gateway.dispatcher import Dispatcher, WorkSources
from mcptasks.gateway.outcome_recorder import OutcomeRecorder
from mcptasks.gateway.outcomes import is_claimed_by
from mcptasks.gateway.pod_directory import PodDirectory
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.progress_record import progress_patch, refuse_non_finite
from mcptasks.gateway.progress_throttle import ProgressThrottle
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.task_holding import claim_of, is_over
from mcptasks.gateway.task_input import TaskInput
from mcptasks.gateway.task_records import TaskRecords, cluster_failures_refused
from mcptasks.gateway.template_facts import TemplateFacts
from mcptasks.gateway.work_observer import UnobservedWork, WorkObserver
from mcptasks.gateway.worker_claims import WorkerClaims
from mcptasks.gateway.worker_link import WorkerLink
from mcptasks.gateway.worker_reports import WorkerOutcomes
from mcptasks.gateway.workers import WorkerPod
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.task_objects import StoredTask, TaskClient, parse_task
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Retention, utc_now
from mcptasks.model.task import LogRecord, McpTask
from mcptasks.settings import Settings
from mcptasks.stores.results import Results

THROTTLE_SHARE = 0.9
"""Part of the runners' own progress interval for which the gateway holds reports back, so that only those of a runner
that reports too often wait."""

_OVER = frozenset({RefusalCode.TASK_GONE, RefusalCode.SUPERSEDED})


class Gateway:
    """What runners can ask for. `on_written` gets each task as it is after a write; `cache` tells of what others write.

    All methods raise RefusedError, with the answer to the runner.
    """

    def __init__(
        self,
        kube: KubeClient,
        tasks: TaskClient,
        results: Results,
        settings: Settings,
        *,
        on_written: Callable[[JsonObject], None] = lambda _item: None,
        cache: WatchCache | None = None,
        work: WorkSources | None = None,
        observer: WorkObserver | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._clock = clock
        self._observer = observer or UnobservedWork()
        self.max_result_bytes = results.max_bytes
        self.max_log_bytes = results.logs.max_bytes
        retention = Retention(settings.default_ttl_seconds * 1000, settings.result_floor_seconds)
        terms = AssignmentTerms(
            module=settings.module,
            timeout_seconds=settings.default_timeout_seconds,
            progress_interval_seconds=settings.progress_interval_seconds,
            max_result_bytes=results.max_bytes,
            max_log_bytes=results.logs.max_bytes,
            show_exceptions=settings.show_exceptions,
        )
        self._records = TaskRecords(tasks, on_written)
        self._pods = PodDirectory(kube, settings.gateway_audience)
        self._assignments = Assignments(self._records, self._pods, terms, retention, clock)
        self._throttle = ProgressThrottle(self._write_progress, settings.progress_interval_seconds * THROTTLE_SHARE)
        self._input = TaskInput(self._records, cache, retention, clock, settings.max_questions_per_task)
        self._outcomes = OutcomeRecorder(self._records, results, retention, clock, self._throttle.take)
        self._cache = cache
        self._workers = None if work is None or cache is None else self._workforce(work, cache, terms, settings)

    def _workforce(self, work: WorkSources, cache: WatchCache, terms: AssignmentTerms, settings: Settings) -> Workforce:
        find = partial(work.templates.get, work.namespace)
        templates = TemplateFacts(find, settings.default_timeout_seconds)
        claims = WorkerClaims(self._records, self._assignments, templates, terms)
        dispatcher = Dispatcher(settings.server_name, work, claims, templates, cache, self._observer)
        retention = self._assignments.retention
        outcomes = WorkerOutcomes(self._records, retention, templates, dispatcher.facts_of, self._clock)
        return Workforce(dispatcher, outcomes)

    @property
    def dispatcher(self) -> Dispatcher | None:
        """What hands tasks to workers; None where nothing does."""
        return None if self._workers is None else self._workers.dispatcher

    async def aclose(self) -> None:
        """Drop progress that waits for its turn, and let the workers go elsewhere."""
        await self._throttle.aclose()
        await self.release_workers()

    async def release_workers(self) -> None:
        """Hand out nothing more, and let the workers connect to other replicas."""
        if self._workers is not None:
            await self._workers.dispatcher.aclose()

    def work(
        self, worker: WorkerPod, module: str, holds: Sequence[HeldAttempt], load_seconds: float | None = None
    ) -> WorkerLink:
        """Take the worker in: it gets orders from now on. `load_seconds`: how long it took to load its module."""
        if self._workers is None:
            raise RefusedError(RefusalCode.NOT_A_TASK_POD, "this server hands out no tasks to workers")
        link = self._workers.dispatcher.connect(worker, module, holds)
        if load_seconds is not None:
            self._observer.loaded(worker.template, load_seconds)
        return link

    def leave(self, link: WorkerLink) -> None:
        """The worker's connection is over."""
        if self._workers is not None:
            self._workers.dispatcher.disconnect(link)

    async def identify(self, token: str, peer: str = "") -> TaskPod | WorkerPod:
        """The task's or worker's Pod that the token, which came from this address, belongs to."""
        async with cluster_failures_refused():
            return await self._pods.identify(token, peer)

    async def assignment(self, pod: TaskPod) -> Assignment:
        """What the Pod is to run. Claims the attempt for it, once."""
        async with cluster_failures_refused():
            return await self._assignments.assign(pod)

    async def progress(self, pod: TaskPod, report: ProgressReport) -> None:
        """Write down how far the tool is, now or when it is the Pod's turn."""
        refuse_non_finite(report)
        await self._throttle.report(pod, report)

    async def _write_progress(self, pod: TaskPod, report: ProgressReport) -> None:
        def change(task: McpTask) -> JsonObject | None:
            refuse_unless_runs(task, pod)
            return progress_patch(task, report, self._clock())

        async with cluster_failures_refused():
            await self._records.write(await self._records.read(pod), change)

    async def may_ask(self, pod: TaskPod) -> None:
        """Refuses a Pod that does not run its task, or not any more: to be asked before its questions are read."""
        if self._known(pod) is None:
            async with cluster_failures_refused():
                refuse_unless_runs(parse_task(await self._records.read(pod)), pod)

    async def ask(self, pod: TaskPod, report: InputReport) -> InputAnswers:
        """Make these, and no others, the task's questions; gives the answers that are there. May be repeated."""
        async with cluster_failures_refused():
            return await self._input.ask(pod, report)

    async def answers(self, pod: TaskPod, seconds: float) -> InputAnswers:
        """The answers to the task's questions, as soon as there is one; an empty set after the given seconds.

        A task that has waited for as long as it may ends here.
        """
        async with cluster_failures_refused():
            return await self._input.answers(pod, seconds)

    async def deliverable(self, pod: TaskPod) -> StoredTask:
        """The Pod's task, where an outcome of the Pod can still count: to be asked before one is read."""
        known = self._known(pod) if pod.is_workers else None
        if known is not None:
            return known
        async with cluster_failures_refused():
            try:
                return await self._outcomes.deliverable(pod)
            except RefusedError as error:
                self._note_refusal(pod, error)
                raise

    def runs(self, pod: TaskPod) -> bool:
        """Whether the watch has it that the worker's attempt is its own and goes on."""
        item = None if self._cache is None else self._cache.get(pod.namespace, pod.task_name)
        if item is None or item["metadata"].get("uid") != pod.task_uid:
            return False
        return claim_of(item) == (pod.uid, pod.attempt) and not is_over(item)

    def _known(self, pod: TaskPod) -> StoredTask | None:
        """The task that the Pod runs as the watch has it, where that says so: one read less on the way."""
        item = None if self._cache is None else self._cache.get(pod.namespace, pod.task_name)
        task = None if item is None else parse_task(item)
        if item is None or task is None or not is_claimed_by(task, pod) or task.terminal or task.spec.cancel:
            return None
        return StoredTask(item, task)

    async def outcome(self, pod: TaskPod, outcome: WorkerOutcome, known: StoredTask) -> None:
        """Record how the task ended, which is `known` as it was. Recording it again is harmless."""
        async with cluster_failures_refused():
            log = await self._outcomes.kept_log(pod, outcome, known.task)
            try:
                await self._record(pod, outcome, known, log)
                await self._outcomes.forget_log(known.task, log)
                self._note_process(outcome, known.task)
            except RefusedError as error:
                if error.code is RefusalCode.TASK_GONE:
                    # What is stored for a task goes when it is deleted, and that was before.
                    await self._outcomes.discard_log(known.task, log)
                self._note_refusal(pod, error)
                raise

    async def _record(self, pod: TaskPod, outcome: WorkerOutcome, known: StoredTask, log: LogRecord | None) -> None:
        if isinstance(outcome, ProcessOutcome | UnstartedOutcome):
            if self._workers is None or not pod.is_workers:
                raise RefusedError(RefusalCode.INVALID, f"an outcome of the kind {outcome.kind} is for workers alone")
            if isinstance(outcome, UnstartedOutcome):
                self._workers.dispatcher.gives_back(pod)
            await self._workers.outcomes.record(pod, outcome, known, log)
            return
        try:
            await self._outcomes.record(pod, outcome, known, log)
        except RefusedError as error:
            if self._workers is not None and pod.is_workers and error.code is RefusalCode.TASK_ENDED:
                await self._workers.outcomes.processes_gone(pod, outcome, log)
            raise

    def _note_process(self, outcome: WorkerOutcome, task: McpTask) -> None:
        seconds = None if isinstance(outcome, UnstartedOutcome) else outcome.process_seconds
        if seconds is not None:
            self._observer.process_made(task.spec.template_ref.name, seconds)

    def _note_refusal(self, pod: TaskPod, error: RefusedError) -> None:
        """A worker hands an outcome in when it has nothing of the attempt left."""
        if self._workers is not None and pod.is_workers and error.code in _OVER:
            self._workers.dispatcher.over(pod)


@dataclass(frozen=True)
class Workforce:
    """What a gateway needs for workers."""

    dispatcher: Dispatcher
    outcomes: WorkerOutcomes
