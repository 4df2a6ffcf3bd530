"""All that the cluster knows of a task, as far as its viewer may know it: its object, Pods, events, log and result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mcptasks.dashboard.last_lines import LastLines
from mcptasks.dashboard.rights import Right
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import ForbiddenError, NotFoundError
from mcptasks.kube.kinds import EVENTS, MCP_TASKS, PODS
from mcptasks.kube.task_attempts import Attempt, attempts_of, log_of, printed_in_worker, runs_in_worker
from mcptasks.kube.watch_cache import without_bookkeeping
from mcptasks.model.base import JsonObject
from mcptasks.model.event_times import last_seen
from mcptasks.model.task import McpTask
from mcptasks.stores.result_errors import ResultLostError, ResultStoreUnavailableError
from mcptasks.stores.result_stores import is_ref_of
from mcptasks.stores.results import Results

SHOWN_EVENTS = 30
SHOWN_OF_EVENT = (
    *("type", "reason", "message", "count", "series", "involvedObject"),
    *("metadata", "eventTime", "firstTimestamp", "lastTimestamp"),
)
LOG_LINES = 1000
LOG_BYTES = 1024 * 1024
MAX_SHOWN_RESULT = 1024 * 1024


@dataclass(frozen=True)
class TaskSurroundings:
    """The Pods of a task, oldest first, and the events about it, the latest first."""

    attempts: Sequence[Attempt] = ()
    events: Sequence[JsonObject] = ()


@dataclass(frozen=True)
class TaskFindings:
    """A task and what is around it. What the viewer may not see, or what is gone, is not there."""

    task: McpTask
    item: JsonObject
    attempts: Sequence[Attempt] = ()
    events: Sequence[JsonObject] = ()
    result: object = None
    result_note: str = ""

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that the task's status is about, or the last one."""
        named = [attempt for attempt in self.attempts if attempt.name == self.task.status.pod_name]
        return next(iter([*named, *self.attempts[::-1]]), None)


@dataclass(frozen=True)
class TaskLookup:
    """Looks things up in the cluster and in the store of results."""

    kube: KubeClient
    results: Results

    async def item(self, namespace: str, name: str) -> JsonObject:
        """The task's object as it is now. Raises NotFoundError, KubeError."""
        return await self.kube.get(MCP_TASKS, name, namespace)

    async def around(self, task: McpTask, rights: Collection[Right]) -> TaskSurroundings:
        """What the rights allow to see around the task. Raises KubeError."""
        attempts, events = await asyncio.gather(
            self._attempts(task) if Right.READ_PODS in rights else _nothing(),
            self._events(task) if Right.READ_EVENTS in rights else _nothing(),
        )
        pods = [Attempt(without_bookkeeping(attempt.pod)) for attempt in attempts]
        return TaskSurroundings(pods, [{key: event[key] for key in SHOWN_OF_EVENT if key in event} for event in events])

    async def findings(self, item: JsonObject, task: McpTask, around: TaskSurroundings) -> TaskFindings:
        """All of that, with the task's result."""
        return await self._with_result(TaskFindings(task, item, around.attempts, around.events))

    async def _attempts(self, task: McpTask) -> list[Attempt]:
        try:
            if runs_in_worker(task):
                return [Attempt(await self.kube.get(PODS, str(task.status.pod_name), task.namespace))]
            return await attempts_of(self.kube, task.namespace, task.name)
        except (NotFoundError, ForbiddenError):
            return []

    async def _events(self, task: McpTask) -> list[JsonObject]:
        """Events about the task, its Job and a Pod of its own, the latest first."""
        pod = None if runs_in_worker(task) else task.status.pod_name
        names = {task.name, task.status.job_name, pod} - {None}
        try:
            listed = await asyncio.gather(
                *(
                    self.kube.list(EVENTS, task.namespace, field_selector=f"involvedObject.name={name}")
                    for name in sorted(map(str, names))
                )
            )
        except ForbiddenError:
            return []
        events = [event for part in listed for event in part.items]
        events.sort(key=lambda event: str(last_seen(event) or ""), reverse=True)
        return events[:SHOWN_EVENTS]

    async def _with_result(self, found: TaskFindings) -> TaskFindings:
        record = found.task.status.result
        if record is None:
            return found
        if record.size_bytes > MAX_SHOWN_RESULT:
            return replace(found, result_note=f"The result has {record.size_bytes:,} bytes: download it to read it.")
        try:
            return replace(found, result=json.loads(await self.result_data(found.task)))
        except (ResultLostError, ResultStoreUnavailableError, ValueError, RecursionError) as error:
            return replace(found, result_note=f"The result cannot be shown: {error}")

    async def result_data(self, task: McpTask) -> bytes:
        """The result as JSON in UTF-8. Raises ResultLostError, ResultStoreUnavailableError."""
        record = task.status.result
        if record is None or (record.ref is not None and not is_ref_of(record.ref, task.namespace, task.uid)):
            raise ResultLostError("the task has no result of its own")
        return await self.results.read(record)

    async def log(self, task: McpTask, most: int = LOG_LINES, most_bytes: int = LOG_BYTES) -> list[str]:
        """The end of what the last attempt printed; what the task has kept of it where its Pod is gone.

        `most` lines, and so many bytes of UTF-8, at most.
        """
        status = task.status
        kept: list[str] = []
        if status.log is not None:
            found = await self.results.logs.read(status.log, task.namespace, task.uid)
            kept = ([f"… {found.note} …"] if found.note else []) + found.text.splitlines()
            if status.log.attempt == status.attempts and (runs_in_worker(task) or found.note is None):
                return _last(kept, most, most_bytes)
        lines = LastLines(most, most_bytes)
        async for line in self._printed(task, most):
            lines.add(line)
        return lines.all() or _last(kept or (status.log_tail or "").splitlines(), most, most_bytes)

    async def _printed(self, task: McpTask, most: int) -> AsyncGenerator[str]:
        """What there is of the last attempt in the log of its Pod."""
        if runs_in_worker(task):
            number, pod = task.status.attempts or 1, str(task.status.pod_name)
            async for line in printed_in_worker(self.kube, task.namespace, task.name, number, pod):
                yield line
            return
        attempts = [attempt for attempt in await attempts_of(self.kube, task.namespace, task.name) if attempt.started]
        for attempt in attempts[-1:]:
            async for line in log_of(self.kube, task.namespace, attempt, tail=most):
                yield line


def _last(kept: Iterable[str], most: int, most_bytes: int) -> list[str]:
    lines = LastLines(most, most_bytes)
    for line in kept:
        lines.add(line)
    return lines.all()


async def _nothing() -> list[Any]:
    return []
