"""Deletes the stored results and logs of tasks that are gone."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from mcptasks.kube.errors import InvalidError, KubeError
from mcptasks.kube.task_objects import TaskClient, parse_log, parse_result
from mcptasks.model.base import JsonObject
from mcptasks.model.task import LogRecord, ResultRecord
from mcptasks.stores.result_errors import ResultLostError, ResultStoreUnavailableError
from mcptasks.stores.result_stores import is_ref_of
from mcptasks.stores.results import Results

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Deletions at the same time: a namespace with thousands of tasks may go at once."""

STOP_SECONDS = 5.0
"""How long a stopping server waits for deletions. What is left goes when it expires."""


@dataclass(eq=False)
class ResultCleanup:
    """Takes tasks that a cache has no more, and deletes what is stored for those that are gone for certain.

    A list may lack a task that exists, and a payload that is deleted cannot be brought back: the API server is asked
    for each task before. The store's own expiry is the safety net.
    """

    results: Results
    tasks: TaskClient
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def __call__(self, item: JsonObject) -> None:
        metadata = item["metadata"]
        namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
        try:
            record, log = parse_result(item), parse_log(item)
        except InvalidError as error:
            logger.warning("what is stored stays until it expires: %s", error)
            return
        if record is not None and record.ref is not None and not is_ref_of(record.ref, namespace, uid):
            logger.warning("the deleted task's result was not its own: %s", record.ref, extra={"task": name})
            record = None
        result = record if record is not None and record.ref is not None else None
        if result is None and (log is None or log.stored is None):
            return
        task = asyncio.create_task(self._delete(result, log, namespace, name, uid))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _delete(
        self, record: ResultRecord | None, log: LogRecord | None, namespace: str, name: str, uid: str
    ) -> None:
        try:
            async with self._places:
                if await self.tasks.is_deleted(namespace, name, uid):
                    await self.results.logs.delete(log, namespace, uid)
                    if record is not None:
                        await self.results.delete(record)
        except (KubeError, ResultStoreUnavailableError, ResultLostError) as error:
            logger.warning("a result stays until it expires: %s", error, extra={"task": name})

    async def done(self) -> None:
        """Wait for the deletions under way, for `STOP_SECONDS` at most."""
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=STOP_SECONDS)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
