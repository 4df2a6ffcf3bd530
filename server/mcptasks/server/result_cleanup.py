"""Deletes the stored results of tasks that are gone."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.task import ResultRecord
from mcptasks.tasks.result_errors import ResultStoreUnavailableError
from mcptasks.tasks.results import Results

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class ResultCleanup:
    """Takes deleted tasks, and deletes what is stored for them. The store's own expiry is the safety net."""

    results: Results

    def __post_init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def __call__(self, item: JsonObject) -> None:
        record = parse_task(item).status.result
        if record is not None and record.ref is not None:
            task = asyncio.create_task(self._delete(record, item["metadata"]["name"]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _delete(self, record: ResultRecord, task_id: str) -> None:
        try:
            await self.results.delete(record)
        except ResultStoreUnavailableError as error:
            logger.warning("cannot delete a result: %s", error, extra={"task": task_id})

    async def done(self) -> None:
        """Wait for the deletions under way."""
        await asyncio.gather(*self._running)
