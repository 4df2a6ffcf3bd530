"""How long attempts have been seen to run, by a clock that nobody can set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mcptasks.kube.watch_cache import Key
from mcptasks.model.task import McpTask


@dataclass(eq=False)
class RunWatch:
    """Notes when each attempt was first seen. `clock` gives seconds that only go on."""

    clock: Callable[[], float] = time.monotonic
    _since: dict[Key, tuple[str, float]] = field(default_factory=dict)

    def seconds(self, task: McpTask) -> float:
        """For how long the task's attempt has been known to run; 0 where none does."""
        key, status = (task.namespace, task.name), task.status
        if task.terminal or status.pod_uid is None:
            self.forget(key)
            return 0.0
        attempt, now = f"{task.uid}/{status.attempts}/{status.pod_uid}", self.clock()
        known, since = self._since.get(key, ("", now))
        if known != attempt:
            since = now
            self._since[key] = attempt, now
        return now - since

    def forget(self, key: Key) -> None:
        """The task is gone."""
        self._since.pop(key, None)
