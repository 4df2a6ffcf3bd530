"""Tasks that calls wait for, found by the call: whichever replica has it, the task is in every cache."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import LABEL_CALL
from mcptasks.tasks.cached_tasks import has_ended, server_of

LOOKS = 5
PAUSE_SECONDS = 0.2
"""How often, and how far apart, an unknown call is looked for: its task may have been made a moment ago elsewhere."""

MAX_SEARCHES = 32
"""Searches for unknown calls at the same time; beyond them one look must do, since each look goes through all tasks."""


@dataclass(frozen=True)
class WaitingCalls:
    """Finds the unfinished tasks of one server by the call that waits for them."""

    server: str
    cache: WatchCache
    _searches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_SEARCHES))

    async def task_of(self, call_id: str, *, looks: int = LOOKS) -> str | None:
        """The task's name; None where no task of this call is unfinished, or more than one."""
        found = self._unfinished(call_id)
        if not found and looks > 1 and not self._searches.locked():
            async with self._searches:
                found = await self._search(call_id, looks - 1)
        return found[0] if len(found) == 1 else None

    async def _search(self, call_id: str, looks: int) -> list[str]:
        for _ in range(looks):
            await asyncio.sleep(PAUSE_SECONDS)
            if found := self._unfinished(call_id):
                return found
        return []

    def _unfinished(self, call_id: str) -> list[str]:
        return [
            item["metadata"]["name"]
            for item in self.cache.values()
            if item["metadata"].get("labels", {}).get(LABEL_CALL) == call_id
            and server_of(item) == self.server
            and not has_ended(item)
        ]
