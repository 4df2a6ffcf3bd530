"""How long attempts have been seen to run, and to be ended, by a clock that nobody can set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mcptasks.kube.watch_cache import Key
from mcptasks.model.lifecycle import pods_are_gone
from mcptasks.model.task import McpTask


@dataclass(eq=False)
class RunWatch:
    """Notes when each attempt was first seen, and when its end was. `clock` gives seconds that only go on."""

    clock: Callable[[], float] = time.monotonic
    _since: dict[Key, tuple[str, float]] = field(default_factory=dict)

    def seconds(self, task: McpTask) -> float:
        """For how long the task's attempt has been known to run, or to be over while a process may be left.

        0 where neither is so.
        """
        key, status = (task.namespace, task.name), task.status
        if status.pod_uid is None or (task.terminal and pods_are_gone(task)):
            self.forget(key)
            return 0.0
        attempt, now = f"{task.uid}/{status.attempts}/{status.pod_uid}/{task.terminal}", self.clock()
        known, since = self._since.get(key, ("", now))
        if known != attempt:
            since = now
            self._since[key] = attempt, now
        return now - since

    def forget(self, key: Key) -> None:
        """The task is gone."""
        self._since.pop(key, None)
