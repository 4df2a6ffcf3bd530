"""The tasks that wait for a worker, in a line for each template, and those that will in a while."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from mcptasks.gateway.handout import WaitingLine, WaitingTask
from mcptasks.gateway.known_tasks import KnownTasks, template_of
from mcptasks.gateway.task_holding import claim_of
from mcptasks.model.attempt_release import seconds_to_wait
from mcptasks.model.base import ANNOTATION_ANY_REPLICA, JsonObject, time_of
from mcptasks.model.lifecycle import utc_now
from mcptasks.tasks.owners import owner_of

OTHERS_FIRST_SECONDS = 0.05
"""How long a new task of another replica is left to that one, which hands it out itself if it can."""


@dataclass(eq=False)
class WaitingTasks:
    """Belongs to the loop of its gateway. `look` is called with a task whose time has come."""

    known: KnownTasks
    look: Callable[[JsonObject], None]
    _lines: defaultdict[str, WaitingLine] = field(default_factory=lambda: defaultdict(WaitingLine))
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def line(self, template: str) -> WaitingLine | None:
        """The tasks of the template that wait; None where none ever has."""
        return self._lines.get(template)

    def ahead_of(self, template: str, uid: str) -> int | None:
        """How many tasks get a worker before this one; None where it does not wait for one."""
        line = self._lines.get(template)
        return None if line is None else line.ahead_of(uid)

    def has_time_to_come(self, item: JsonObject) -> bool:
        """Whether the task is to be looked at later, and nothing has happened to it since."""
        return item["metadata"]["uid"] in self._timers and not _retry_after(item)

    def add(self, item: JsonObject, *, others_first: bool) -> bool:
        """Let the task wait, now or when its time has come; gives whether it does now."""
        seconds = 0.0
        if (retry_after := time_of(_retry_after(item))) is not None:
            seconds = seconds_to_wait(retry_after, utc_now())
        elif others_first and ANNOTATION_ANY_REPLICA not in (item["metadata"].get("annotations") or {}):
            seconds = OTHERS_FIRST_SECONDS
        if seconds > 0:
            self.look_again(item, seconds)
            return False
        metadata = item["metadata"]
        created = time_of(metadata.get("creationTimestamp")) or utc_now()
        task = WaitingTask(created, metadata["name"], metadata["uid"], owner_of(item), time.monotonic())
        self._lines[template_of(item)].add(task)
        return True

    def look_again(self, item: JsonObject, seconds: float) -> None:
        """Have the task looked at again after `seconds`."""
        name, uid = item["metadata"]["name"], item["metadata"]["uid"]

        def look() -> None:
            self._timers.pop(uid, None)
            known = self.known.named(name, uid)
            if known is not None:
                self.look(known)

        self._forget_timer(uid)
        self._timers[uid] = asyncio.get_running_loop().call_later(seconds, look)

    def remove(self, item: JsonObject) -> None:
        """The task waits no more; nothing where it does not.

        Where a worker has it, of this replica or another, it was its caller's turn.
        """
        uid = item["metadata"]["uid"]
        self._forget_timer(uid)
        line = self._lines.get(template_of(item))
        if line is not None and claim_of(item) is not None:
            line.serve(uid)
        elif line is not None:
            line.remove(uid)

    def forget_template(self, template: str) -> None:
        """Nothing of the template waits here any more."""
        for item in self.known.of_template(template):
            self.remove(item)
        self._lines.pop(template, None)

    def close(self) -> None:
        """Look at nothing any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _forget_timer(self, uid: str) -> None:
        timer = self._timers.pop(uid, None)
        if timer is not None:
            timer.cancel()


def _retry_after(item: JsonObject) -> str | None:
    """When the next attempt of a task that has failed may begin."""
    return (item.get("status") or {}).get("retryAfter") or None
