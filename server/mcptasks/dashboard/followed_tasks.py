"""Tasks as open pages follow them: the watch tells of the task, and its Pods and events are read when it has moved on.

Where nothing happens, many open pages cost the API server little more than a few.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.shared_reads import take_note
from mcptasks.dashboard.task_facts import MAX_SHOWN_RESULT, TaskFindings, TaskLookup, TaskSurroundings
from mcptasks.dashboard.task_index import TaskIndex, live_part
from mcptasks.dashboard.task_rows import TaskRow
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.task import McpTask

LOOK_SECONDS = 10.0
"""How old Pods and events of a task are at most that goes on, where few are followed."""

LOOKS_PER_SECOND = 0.5
"""How often is looked at Pods and events of all tasks together of whose status the watch tells nothing new."""

SETTLES_WITHIN = timedelta(seconds=15)
"""When the Pod of a task that has ended is told to have ended too."""

PAGE_SECONDS = 2.0
"""How old they may be in a page that is loaded."""

MAX_LOOKS_AT_ONCE = 4


def look_seconds(followed: int) -> float:
    """How old Pods and events of a task may be that goes on, where so many are followed. Pure."""
    return max(LOOK_SECONDS, followed / LOOKS_PER_SECOND)


def stage_of(item: JsonObject) -> str:
    """A digest of what in a task's status has to do with its Pods: of all but its progress. Pure."""
    status = item.get("status") or {}
    moving = {"progress", "lastUpdatedAt", "log"} | ({"message"} if status.get("progress") else set())
    kept = {key: value for key, value in status.items() if key not in moving}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _LookAround:
    stage: str
    at: float
    looking: asyncio.Task[TaskSurroundings]


@dataclass(eq=False)
class SeenAround:
    """What was seen last around tasks, for all pages that may show it. Belongs to the loop that it is made on."""

    lookup: TaskLookup
    most: int
    """Tasks that are remembered, the latest ones."""

    clock: Callable[[], float] = time.monotonic
    _last: OrderedDict[Hashable, _LookAround] = field(default_factory=OrderedDict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_LOOKS_AT_ONCE))

    async def of(self, task: McpTask, item: JsonObject, rights: Collection[Right], seconds: float) -> TaskSurroundings:
        """What the rights allow to see, as it was at most so many seconds ago and in this stage. Raises KubeError."""
        key = task.uid, frozenset(rights) & {Right.READ_PODS, Right.READ_EVENTS}
        stage, last = stage_of(item), self._last.get(key)
        if last is None or last.stage != stage or self.clock() - last.at >= seconds:
            looking = asyncio.create_task(self._look(task, rights))
            looking.add_done_callback(take_note)
            last = self._last[key] = _LookAround(stage, self.clock(), looking)
            self._last.move_to_end(key)
            while len(self._last) > self.most:
                self._last.popitem(last=False)
        try:
            return await asyncio.shield(last.looking)
        except Exception:
            if self._last.get(key) is last:
                del self._last[key]
            raise

    async def _look(self, task: McpTask, rights: Collection[Right]) -> TaskSurroundings:
        async with self._turns:
            return await self.lookup.around(task, rights)


@dataclass(eq=False)
class FollowedTask:
    """One task, for pages of viewers who have the same rights."""

    lookup: TaskLookup
    index: TaskIndex
    around: SeenAround
    namespace: str
    name: str
    rights: Collection[Right]
    followed: Callable[[], int]
    """How many tasks are followed now."""

    now: Callable[[], datetime] = utc_now

    _told: tuple[TaskRow | None, JsonObject | None] | None = None
    _item: JsonObject | None = None
    """The task, for as long as what is shown of it may change without a word of the watch."""

    async def news(self) -> TaskFindings | None:
        """What is to be shown; None where that cannot have changed since the last time.

        Raises NotFoundError, the first time where the task is gone, and KubeError.
        """
        item = await self._current()
        if item is None:
            return None
        task = parse_task(item)
        is_settled = task.terminal and not _has_just_ended(task, self.now())
        seconds = math.inf if is_settled else look_seconds(self.followed())
        around = await self.around.of(task, item, self.rights, seconds)
        found = await self.lookup.findings(item, task, around)
        self._item = None if is_settled and not _may_come(found) else item
        return found

    async def _current(self) -> JsonObject | None:
        """The task where it, or what is around it, may not be as it was; from the API server where that must tell."""
        told = self.index.row(self.namespace, self.name), self.index.followed(self.namespace, self.name)
        if self._told is not None and all(now is before for now, before in zip(told, self._told, strict=True)):
            return self._item
        self._told, self._item = told, None
        return live_part(await self.lookup.item(self.namespace, self.name)) if told[1] is None else told[1]


def _has_just_ended(task: McpTask, now: datetime) -> bool:
    """Whether its Pod may not have ended yet."""
    finished = task.status.finished_at
    return finished is not None and now - finished < SETTLES_WITHIN


def _may_come(found: TaskFindings) -> bool:
    """Whether there is a result that could only not be read now."""
    record = found.task.status.result
    return found.result is None and record is not None and record.size_bytes <= MAX_SHOWN_RESULT
