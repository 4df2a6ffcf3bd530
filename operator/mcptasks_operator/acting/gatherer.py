"""Finds out, on demand, what a decision rests on besides the cache."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mcptasks.kube.api_client import KubeClient, LogOptions
from mcptasks.kube.errors import ForbiddenError, KubeError, NotFoundError
from mcptasks.kube.kinds import EVENTS, JOBS, MCP_TASK_TEMPLATES, MCP_TASKS, PODS, is_path_segment
from mcptasks.kube.task_objects import parse_task
from mcptasks.kube.watch_cache import Key
from mcptasks.model.base import LABEL_TASK_UID, JsonObject
from mcptasks.model.diagnosis import MAX_LOG_LINE
from mcptasks.model.excerpts import lines_of, without_middle
from mcptasks.model.task_template import Executor
from mcptasks_operator.deciding.gathered_evidence import Evidence, JobRefusal, Need, RefusalKind, TemplateState
from mcptasks_operator.deciding.object_facts import PodFacts, TerminatedState, latest_first, warning_events
from mcptasks_operator.watching.cache import Cache, TaskSnapshot
from mcptasks_operator.watching.watched_kinds import WatchedKind

logger = logging.getLogger(__name__)

MAX_LOG_BYTES = 2**20
"""How much of a log's end is kept at most: a line may be endless."""

LOG_SECONDS = 15.0
"""How long the node has to hand out a log."""

MAX_TEMPLATES_NAMED = 20

WARNINGS_SECONDS = 2.0
"""How old the list of warnings may be: much less than the time after which a reason is looked for."""

SCALE_UP_REASONS = ("TriggeredScaleUp", "Nominated")
"""By which an autoscaler says that it adds a node for a Pod: the Cluster Autoscaler, and Karpenter."""

SCALE_UP_SECONDS = 10.0
"""How old the list of these may be: they only matter for Pods that no node can take."""


@dataclass(eq=False)
class NamespaceEvents:
    """The events of each namespace that a field selector finds, listed once in `seconds` for all tasks that ask.

    The API server has no index of events: whichever it is asked for, it reads all of a namespace. Hundreds of Pods
    that wait for a node would have it do so hundreds of times over.
    """

    kube: KubeClient
    clock: Callable[[], float] = time.monotonic
    selector: str = "type=Warning"
    seconds: float = WARNINGS_SECONDS
    _listed: dict[str, tuple[float, list[JsonObject]]] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def of(self, namespace: str) -> list[JsonObject]:
        """The namespace's events as they were at most `seconds` ago. Raises KubeError."""
        async with self._locks[namespace]:
            now = self.clock()
            at, events = self._listed.get(namespace, (-math.inf, []))
            if now - at >= self.seconds:
                events = (await self.kube.list(EVENTS, namespace, field_selector=self.selector)).items
                self._listed[namespace] = now, events
            return events


def scale_ups(kube: KubeClient) -> tuple[NamespaceEvents, ...]:
    """What autoscalers say."""
    return tuple(
        NamespaceEvents(kube, selector=f"reason={reason}", seconds=SCALE_UP_SECONDS) for reason in SCALE_UP_REASONS
    )


@dataclass(frozen=True)
class Gatherer:
    """Reads from the API server and puts what it reads into the cache."""

    kube: KubeClient
    cache: Cache
    log_lines: int
    warnings: NamespaceEvents
    scale_ups: tuple[NamespaceEvents, ...] = ()

    async def gather(self, key: Key, snapshot: TaskSnapshot, need: Need, evidence: Evidence) -> Evidence:
        """The evidence with what was needed. Raises KubeError if the API server does not answer."""
        match need:
            case Need.FRESH:
                await self._fresh(key, snapshot)
                return replace(evidence, fresh=True)
            case Need.TEMPLATE:
                return await self._template(key, snapshot, evidence)
            case Need.LOG:
                return replace(evidence, log=await self._log(key, snapshot))
            case Need.EVENTS:
                found = await self._events(key, snapshot, self.warnings)
                return replace(evidence, warnings=warning_events(found))
            case Need.SCALE_UPS:
                lists = [await self._events(key, snapshot, each) for each in self.scale_ups]
                return replace(evidence, scale_ups=latest_first(event for found in lists for event in found))

    async def _fresh(self, key: Key, snapshot: TaskSnapshot) -> None:
        """Read task, Job and Pods, past the cache."""
        namespace, name = key
        uid = snapshot.task["metadata"]["uid"]
        try:
            self.cache.put(WatchedKind.TASK, await self.kube.get(MCP_TASKS, name, namespace))
        except NotFoundError:
            self.cache.forget_task(key, uid)
            return
        await self.read_job(key)
        await self._worker(namespace, snapshot)
        pods = await self.kube.list(PODS, namespace, label_selector=f"{LABEL_TASK_UID}={uid}")
        self.cache.replace_pods_of(key, uid, pods.items, int(pods.resource_version or 0))

    async def _worker(self, namespace: str, snapshot: TaskSnapshot) -> None:
        """Read the worker that has the task, if one has it."""
        status = snapshot.task.get("status") or {}
        name, uid = status.get("podName"), status.get("podUid")
        if status.get("executor") != Executor.WARM.value or not name or not uid:
            return
        try:
            found = await self.kube.get(PODS, name, namespace)
        except NotFoundError:
            self.cache.remove_worker((namespace, name), uid)
            return
        if found["metadata"]["uid"] == uid:
            self.cache.put(WatchedKind.POD, found)
        else:
            self.cache.remove_worker((namespace, name), uid)

    async def read_job(self, key: Key) -> None:
        """Read the Job of the task's name."""
        deletions = self.cache.jobs.deletions
        try:
            self.cache.put(WatchedKind.JOB, await self.kube.get(JOBS, key[1], key[0]), asked_after=deletions)
        except NotFoundError:
            for entry in self.cache.jobs.entries(key):
                self.cache.remove_job(key, entry.uid)

    async def _template(self, key: Key, snapshot: TaskSnapshot, evidence: Evidence) -> Evidence:
        """Read the template that the cache does not have: it may be new."""
        namespace = key[0]
        name = parse_task(snapshot.task).spec.template_ref.name
        missing = replace(evidence, template=TemplateState.MISSING, templates=self._templates(namespace))
        if not is_path_segment(name):
            return missing
        try:
            template = await self.kube.get(MCP_TASK_TEMPLATES, name, namespace)
        except NotFoundError:
            return missing
        try:
            self.cache.put(WatchedKind.TEMPLATE, template)
        except ValueError as error:
            refusal = JobRefusal(RefusalKind.INVALID, f"this version of the operator does not understand it: {error}")
            return replace(evidence, template=TemplateState.FOUND, refusal=refusal)
        return replace(evidence, template=TemplateState.FOUND)

    def _templates(self, namespace: str) -> tuple[str, ...]:
        names = sorted(key[1] for key in self.cache.templates if key[0] == namespace)
        return tuple(names[:MAX_TEMPLATES_NAMED])

    async def _log(self, key: Key, snapshot: TaskSnapshot) -> tuple[str, ...]:
        """The last lines of the last attempt's log; what the Pod's status has of it where the log is gone."""
        pods = sorted(snapshot.pods, key=lambda pod: (pod.created_at, pod.name))
        if not pods or not self.log_lines:
            return ()
        pod = pods[-1]
        options = LogOptions(container=pod.runner.name, tail_lines=self.log_lines)
        try:
            async with asyncio.timeout(LOG_SECONDS):
                end = await self.kube.log_end(pod.name, key[0], options, MAX_LOG_BYTES)
        except (KubeError, TimeoutError) as error:
            logger.debug("log of Pod %s cannot be read: %s", pod.name, error)
            return self._termination_message(pod)
        return self._last_lines(end.decode("utf-8", "replace"))

    def _termination_message(self, pod: PodFacts) -> tuple[str, ...]:
        """With `FallbackToLogsOnError` the kubelet keeps the log's end in the Pod's status."""
        state = pod.runner.state
        text = state.message if isinstance(state, TerminatedState) else ""
        return self._last_lines(text)

    def _last_lines(self, text: str) -> tuple[str, ...]:
        return tuple(without_middle(line, MAX_LOG_LINE) for line in lines_of(text)[-self.log_lines :])

    async def _events(self, key: Key, snapshot: TaskSnapshot, events: NamespaceEvents) -> list[JsonObject]:
        """Those about the Job and the Pods. They only explain: without the right to read them there are none."""
        uids = {pod.uid for pod in snapshot.pods if not pod.ended}
        if snapshot.job is not None:
            uids.add(snapshot.job.uid)
        try:
            found = await events.of(key[0])
        except ForbiddenError as error:
            logger.warning("events cannot be read, so that reasons may be missing: %s", error)
            return []
        return [event for event in found if event["involvedObject"].get("uid") in uids]
