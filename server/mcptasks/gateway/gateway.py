"""The gateway: hands tasks to the Pods that run them, and writes down what those Pods report.

Several replicas may run. Nothing that matters is kept in memory: each write is conditional on the version of the task
that it was decided on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mcptasks.gateway.assignments import Assignments
from mcptasks.gateway.claims import AssignmentTerms, refuse_unless_runs
from mcptasks.gateway.contract import Assignment, InputAnswers, InputReport, Outcome, ProgressReport
from mcptasks.gateway.outcome_recorder import OutcomeRecorder
from mcptasks.gateway.pod_directory import PodDirectory
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.progress_record import progress_patch, refuse_non_finite
from mcptasks.gateway.progress_throttle import ProgressThrottle
from mcptasks.gateway.task_input import TaskInput
from mcptasks.gateway.task_records import TaskRecords, cluster_failures_refused
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.task_objects import StoredTask, TaskClient
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Retention, utc_now
from mcptasks.model.task import McpTask
from mcptasks.settings import Settings
from mcptasks.tasks.results import Results

THROTTLE_SHARE = 0.9
"""Part of the runners' own progress interval for which the gateway holds reports back, so that only those of a runner
that reports too often wait."""


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
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._clock = clock
        self.max_result_bytes = results.max_bytes
        retention = Retention(settings.default_ttl_seconds * 1000, settings.result_floor_seconds)
        terms = AssignmentTerms(
            module=settings.module,
            timeout_seconds=settings.default_timeout_seconds,
            progress_interval_seconds=settings.progress_interval_seconds,
            max_result_bytes=results.max_bytes,
            show_exceptions=settings.show_exceptions,
        )
        self._records = TaskRecords(tasks, on_written)
        self._pods = PodDirectory(kube, settings.gateway_audience)
        self._assignments = Assignments(self._records, self._pods, terms, retention, clock)
        self._throttle = ProgressThrottle(self._write_progress, settings.progress_interval_seconds * THROTTLE_SHARE)
        self._input = TaskInput(self._records, cache, retention, clock, settings.max_questions_per_task)
        self._outcomes = OutcomeRecorder(self._records, results, retention, clock, self._throttle.take)

    async def aclose(self) -> None:
        """Drop progress that waits for its turn."""
        await self._throttle.aclose()

    async def identify(self, token: str, peer: str = "") -> TaskPod:
        """The task's Pod that the token, which came from this address, belongs to."""
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
        async with cluster_failures_refused():
            return await self._outcomes.deliverable(pod)

    async def outcome(self, pod: TaskPod, outcome: Outcome, known: StoredTask) -> None:
        """Record how the task ended, which is `known` as it was. Recording it again is harmless."""
        async with cluster_failures_refused():
            await self._outcomes.record(pod, outcome, known)
