"""The gateway: hands tasks to the Pods that run them, and writes down what those Pods report.

Several replicas may run. Nothing that matters is kept in memory: each write is conditional on the version of the task
that it was decided on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from mcptasks.gateway.claims import (
    AssignmentTerms,
    Rival,
    RivalChangedError,
    assignment,
    claim,
    refuse_foreign_and_ended,
    refuse_others,
)
from mcptasks.gateway.contract import (
    Assignment,
    InputAnswer,
    InputAnswers,
    InputReport,
    Outcome,
    ProgressReport,
    RefusalCode,
    ResultOutcome,
)
from mcptasks.gateway.outcomes import (
    error_ending,
    has_ended_as,
    is_replay,
    refuse_invalid,
    result_ending,
    too_large_ending,
)
from mcptasks.gateway.pod_tokens import TokenReviewer
from mcptasks.gateway.pods import PodIdentity, TaskPod, task_pod
from mcptasks.gateway.progress_record import progress_patch, refuse_non_finite
from mcptasks.gateway.progress_throttle import ProgressThrottle
from mcptasks.gateway.refusals import RefusedError, unavailable
from mcptasks.gateway.task_arguments import (
    InvalidArgumentsError,
    arguments_text,
    has_arguments_object,
    without_arguments,
)
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import ConflictError, InvalidError, KubeError, NotFoundError, UnavailableError
from mcptasks.kube.kinds import PODS
from mcptasks.kube.task_objects import StatusChange, TaskClient, parse_task
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.lifecycle import Ending, Retention, end, expiry, utc_now
from mcptasks.model.questions import QuestionError, answers, answers_due, asked, timed_out
from mcptasks.model.task import InputRequest, JsonObject, McpTask, Phase, Reason, ResultRecord
from mcptasks.settings import KIB, Settings
from mcptasks.tasks.results import Payload, Results, ResultStoreUnavailableError, ResultTooLargeError, stored_size

logger = logging.getLogger(__name__)

POD_CACHE_SIZE = 4096
MAX_RIVALS = 5
LARGE_RESULT_BYTES = 64 * KIB

LOOK_SECONDS = 1.0
"""How often a task is read for a runner that waits for answers, where there is no watch that tells of them."""

THROTTLE_SHARE = 0.9
"""Part of the runners' own progress interval for which the gateway holds reports back, so that only those of a runner
that reports too often wait."""


class Gateway:
    """What runners can ask for. `on_written` gets each task as it is after a write; `cache` tells of what others write.

    All methods raise RefusedError, with what the runner is to be told.
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
        self._kube = kube
        self._tasks = tasks
        self._results = results
        self._on_written = on_written
        self._cache = cache
        self._clock = clock
        self._reviewer = TokenReviewer(kube, settings.gateway_audience)
        self._pods: OrderedDict[str, TaskPod] = OrderedDict()
        self._retention = Retention(settings.default_ttl_seconds * 1000, settings.result_floor_seconds)
        self._terms = AssignmentTerms(
            module=settings.module,
            timeout_seconds=settings.default_timeout_seconds,
            progress_interval_seconds=settings.progress_interval_seconds,
            max_result_bytes=results.max_bytes,
        )
        interval = settings.progress_interval_seconds * THROTTLE_SHARE
        self._throttle = ProgressThrottle(self._write_progress, interval)

    async def aclose(self) -> None:
        """Drop progress that waits for its turn."""
        await self._throttle.aclose()

    @property
    def max_result_bytes(self) -> int:
        """Size of the largest result that is taken."""
        return self._results.max_bytes

    async def identify(self, token: str) -> TaskPod:
        """The task's Pod that the token belongs to."""
        async with _kube_errors():
            identity = await self._reviewer.identify(token)
            known = self._pods.get(identity.uid)
            if known is not None and known.identity == identity:
                return known
            pod = await self._read_pod(identity)
        self._pods[identity.uid] = pod
        while len(self._pods) > POD_CACHE_SIZE:
            self._pods.popitem(last=False)
        return pod

    async def _read_pod(self, identity: PodIdentity) -> TaskPod:
        try:
            return task_pod(await self._kube.get(PODS, identity.name, identity.namespace), identity)
        except NotFoundError as error:
            raise RefusedError(RefusalCode.NOT_A_TASK_POD, f"Pod {identity.name} is gone") from error

    async def assignment(self, pod: TaskPod) -> Assignment:
        """What the Pod is to run. Claims the attempt for it, once."""
        async with _kube_errors():
            item = await self._task(pod)
            if not has_arguments_object(item):
                await self._write(without_arguments(item), lambda task: self._refuse_arguments(task, pod))
                raise RefusedError(RefusalCode.TASK_ENDED, f"task {pod.task_name} has no arguments object")
            task = parse_task(await self._claimed(pod, item))
        refuse_foreign_and_ended(task, pod)
        logger.info("attempt %s of task %s runs in Pod %s", task.status.attempts, task.name, pod.name)
        return assignment(task, pod, self._terms)

    async def _claimed(self, pod: TaskPod, item: JsonObject) -> JsonObject:
        for _ in range(MAX_RIVALS):
            rival = await self._rival(pod, item)
            try:
                return await self._write(item, lambda task, rival=rival: self._claim(task, pod, rival))  # type: ignore[misc]
            except RivalChangedError:
                item = await self._task(pod)
        raise unavailable(f"task {pod.task_name} changes hands too often")

    def _claim(self, task: McpTask, pod: TaskPod, rival: Rival | None) -> JsonObject | None:
        patch = claim(task, pod, rival, self._clock())
        try:
            arguments_text(task)
        except InvalidArgumentsError as error:
            return self._invalid_arguments(task, str(error))
        return patch

    def _refuse_arguments(self, task: McpTask, pod: TaskPod) -> JsonObject:
        refuse_foreign_and_ended(task, pod)
        return self._invalid_arguments(task, "spec.arguments is not a JSON object")

    def _invalid_arguments(self, task: McpTask, why: str) -> JsonObject:
        message = f"the arguments cannot be given to a tool: {why}"
        return end(task, Ending(Phase.FAILED, Reason.INVALID_ARGUMENTS, message), self._clock(), self._retention)

    async def _rival(self, pod: TaskPod, item: JsonObject) -> Rival | None:
        """The Pod that has claimed the task, unless that is the caller itself."""
        status = item.get("status") or {}
        name, uid = status.get("podName"), status.get("podUid")
        if not uid or uid == pod.uid:
            return None
        if not name:
            return Rival(uid)
        try:
            rival = await self._kube.get(PODS, name, pod.namespace)
            return Rival(uid, task_pod(rival, PodIdentity(pod.namespace, name, uid)))
        except (NotFoundError, RefusedError):
            return Rival(uid)

    async def progress(self, pod: TaskPod, report: ProgressReport) -> None:
        """Write down how far the tool is, now or when it is the Pod's turn."""
        refuse_non_finite(report)
        await self._throttle.report(pod, report)

    async def _write_progress(self, pod: TaskPod, report: ProgressReport) -> None:
        def change(task: McpTask) -> JsonObject | None:
            refuse_foreign_and_ended(task, pod)
            refuse_others(task, pod)
            return progress_patch(task, report, self._clock())

        async with _kube_errors():
            await self._write(await self._task(pod), change)

    async def ask(self, pod: TaskPod, report: InputReport) -> InputAnswers:
        """Make these, and no others, the task's questions; gives the answers that are there. May be repeated."""
        questions = [
            InputRequest(key=q.key, method=q.method, params_text=q.params_text, message=q.message)
            for q in report.questions
        ]

        def change(task: McpTask) -> JsonObject | None:
            refuse_foreign_and_ended(task, pod)
            refuse_others(task, pod)
            try:
                return asked(task, questions, self._clock())
            except QuestionError as error:
                raise RefusedError(RefusalCode.INVALID, str(error)) from error

        async with _kube_errors():
            # `change` may find nothing to do in what is read here, so it must be the newest.
            task = parse_task(await self._write(await self._task(pod), change))
        return _as_answers(task)

    async def answers(self, pod: TaskPod, seconds: float) -> InputAnswers:
        """The answers to the task's questions, as soon as there is one; an empty set after so many seconds.

        A task that has waited for as long as it may ends here.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        async with _kube_errors(), self._changes(pod) as changed:
            while True:
                changed.clear()
                item = await self._task(pod)
                task = parse_task(item)
                refuse_foreign_and_ended(task, pod)
                refuse_others(task, pod)
                now, due = self._clock(), answers_due(task)
                if due is not None and due <= now:
                    await self._write(item, lambda task: self._time_out(task, pod))
                    continue
                left = until - loop.time()
                if answers(task) or left <= 0:
                    return _as_answers(task)
                await self._wait(changed, left if due is None else min(left, (due - now).total_seconds()))

    def _time_out(self, task: McpTask, pod: TaskPod) -> JsonObject | None:
        """Ends the task, unless an answer has come meanwhile."""
        refuse_foreign_and_ended(task, pod)
        refuse_others(task, pod)
        now, due = self._clock(), answers_due(task)
        return end(task, timed_out(task), now, self._retention) if due is not None and due <= now else None

    @asynccontextmanager
    async def _changes(self, pod: TaskPod) -> AsyncIterator[asyncio.Event]:
        """An event that is set when the Pod's task changes; never, where nothing tells of changes."""
        if self._cache is None:
            yield asyncio.Event()
            return
        async with self._cache.changes(pod.namespace, pod.task_name) as changed:
            yield changed

    async def _wait(self, changed: asyncio.Event, seconds: float) -> None:
        limit = min(seconds, LOOK_SECONDS) if self._cache is None else seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(max(limit, 0.01)):
                await changed.wait()

    async def outcome(self, pod: TaskPod, outcome: Outcome) -> None:
        """Record how the task ended. Telling it again is harmless."""
        refuse_invalid(outcome)
        async with _kube_errors():
            item = await self._task(pod)
            task = parse_task(item)
            if await self._is_replay(task, pod, outcome):
                return
            refuse_foreign_and_ended(task, pod)
            refuse_others(task, pod)
            now = self._clock()
            ending = await self._ending(item, task, outcome, now)
            await self._end(item, pod, ending, now)

    async def _is_replay(self, task: McpTask, pod: TaskPod, outcome: Outcome) -> bool:
        if not task.terminal:
            return False
        sha256 = (await Payload.of(outcome.text)).sha256 if isinstance(outcome, ResultOutcome) else None
        return is_replay(task, pod, outcome, sha256)

    async def _ending(self, item: JsonObject, task: McpTask, outcome: Outcome, now: datetime) -> Ending:
        if not isinstance(outcome, ResultOutcome):
            return error_ending(outcome)
        object_bytes = stored_size(item) if len(outcome.text) > LARGE_RESULT_BYTES else 0
        try:
            record = await self._results.put(
                task.namespace,
                task.uid,
                task.status.attempts or 1,
                outcome.text,
                expiry(task, now, self._retention) - now,
                object_bytes=object_bytes,
            )
        except ResultTooLargeError as error:
            return too_large_ending(error)
        except ResultStoreUnavailableError as error:
            logger.warning("the result of task %s waits: %s", task.name, error)
            raise unavailable("the result store cannot be reached (Redis)") from error
        return result_ending(outcome, record)

    async def _end(self, item: JsonObject, pod: TaskPod, ending: Ending, now: datetime) -> None:
        """Make the task terminal, against whatever else may want to.

        What was stored for it goes if the task has another end for certain, but not if nobody knows.
        """
        last_report = self._throttle.take(pod)

        def change(task: McpTask) -> JsonObject | None:
            if task.terminal:
                return None
            refuse_foreign_and_ended(task, pod)
            refuse_others(task, pod)
            patch = end(task, ending, now, self._retention)
            report = None if last_report is None else progress_patch(task, last_report, now)
            return patch if report is None else {"status": report["status"] | patch["status"]}

        try:
            final = parse_task(await self._write(item, change))
            if not has_ended_as(final, pod, ending):
                refuse_foreign_and_ended(final, pod)
        except InvalidError as error:
            await self._discard(ending.result)
            raise RefusedError(RefusalCode.INVALID, "the outcome does not fit the task's status") from error
        except RefusedError:
            await self._discard(ending.result)
            raise
        logger.info("task %s ended: %s (%s)", final.name, final.phase, final.status.reason)

    async def _discard(self, record: ResultRecord | None) -> None:
        """Remove a payload that no task points to. Where that fails it goes when it expires."""
        if record is None:
            return
        try:
            await self._results.delete(record)
        except ResultStoreUnavailableError as error:
            logger.warning("a payload that is not needed stays until it expires: %s", error)

    async def _task(self, pod: TaskPod) -> JsonObject:
        """The task of the Pod's Job as it is now; whether it is the Pod's own is for whoever decides on it."""
        try:
            return await self._tasks.get(pod.namespace, pod.task_name)
        except NotFoundError as error:
            message = f"task {pod.task_name} of Pod {pod.name} has been deleted"
            raise RefusedError(RefusalCode.TASK_GONE, message) from error

    async def _write(self, item: JsonObject, change: StatusChange) -> JsonObject:
        try:
            written = await self._tasks.update_status(item, change)
        except NotFoundError as error:
            name = item["metadata"]["name"]
            raise RefusedError(RefusalCode.TASK_GONE, f"task {name} has been deleted") from error
        self._on_written(written)
        return written


@asynccontextmanager
async def _kube_errors() -> AsyncIterator[None]:
    """Failures of the API server as a refusal that is worth trying again; the details stay in the gateway's log."""
    try:
        yield
    except (UnavailableError, ConflictError) as error:
        logger.warning("a runner has to wait: %s", error)
        raise unavailable("the Kubernetes API cannot be reached at the moment") from error
    except KubeError as error:
        logger.error("the Kubernetes API refuses the gateway: %s (%s %s)", error, error.status, error.reason)
        raise unavailable("the Kubernetes API refuses the gateway; see the gateway's log") from error


def _as_answers(task: McpTask) -> InputAnswers:
    found = answers(task).items()
    return InputAnswers(answers=[InputAnswer(key=key, text=answer.text, error=answer.error) for key, answer in found])
