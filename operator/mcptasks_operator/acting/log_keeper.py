"""Keeps the logs of tasks' own Pods in the store of results, in the background.

The operator does it and not the process in the Pod: that one may have been killed, and has no way to the store. A log
that cannot be read, as of a node that is lost, holds nothing up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.kube.api_client import KubeClient, LogOptions
from mcptasks.kube.errors import KubeError, NotFoundError
from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.logs import bind_task
from mcptasks.model.base import JsonObject
from mcptasks.model.bounded_output import BoundedOutput
from mcptasks.model.lifecycle import Retention, log_expiry, utc_now
from mcptasks.model.log_records import log_field
from mcptasks.model.task import LogRecord, McpTask
from mcptasks.settings import MIB
from mcptasks.stores.kept_logs import KeptLogs
from mcptasks_operator.deciding.log_keeping import EndingLog, log_to_keep
from mcptasks_operator.deciding.object_facts import PodFacts

logger = logging.getLogger(__name__)

LOGS_AT_A_TIME = 32
"""How many logs are read at the same time. One that still goes on is read until its process has ended."""

BYTES_AT_A_TIME = 32 * MIB
"""What the logs that are read at the same time may take together, as far as one alone does not take more."""

READ_SECONDS = 30.0
"""How long the node has to hand out a log that has ended."""

FOLLOW_SECONDS = 180.0
"""How long one is followed that still goes on: longer than a process may take to end."""

UNREAD = "… the log was not read any further …\n".encode()

MAX_WAITING = 10_000
"""Logs that wait to be read. Those beyond are offered again when their tasks are looked at again."""

MAX_REMEMBERED = 50_000
"""Pods whose logs need not be read again. Of the oldest beyond it is forgotten that they had printed nothing."""


@dataclass(frozen=True, slots=True)
class UnkeptLog:
    """A log to read, and the task as it was when that was found."""

    item: JsonObject
    task: McpTask
    log: EndingLog


@dataclass(eq=False)
class LogKeeper:
    """Reads the logs that it is offered tasks with, and keeps them (`run`)."""

    kube: KubeClient
    tasks: TaskClient
    logs: KeptLogs
    retention: Retention
    now: Callable[[], datetime] = utc_now
    _waiting: asyncio.Queue[UnkeptLog] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    _taken: dict[str, None] = field(default_factory=dict)
    _following: int = 0

    def offer(self, task: McpTask, item: JsonObject, pods: Sequence[PodFacts]) -> None:
        """Take the task's log, if it is to be kept now. `item` is the task as it was read."""
        if not self.logs.max_bytes or self._waiting.full():
            return
        log = log_to_keep(task, pods)
        if log is None or log.pod_uid in self._taken:
            return
        self._taken[log.pod_uid] = None
        if len(self._taken) > MAX_REMEMBERED:
            del self._taken[next(iter(self._taken))]
        self._waiting.put_nowait(UnkeptLog(item, task, log))

    async def run(self) -> None:
        """Read and keep until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_a_time):
                group.create_task(self._keep_all())

    @property
    def _at_a_time(self) -> int:
        return max(1, min(LOGS_AT_A_TIME, BYTES_AT_A_TIME // max(self.logs.max_bytes, 1)))

    async def _keep_all(self) -> None:
        while True:
            unkept = await self._waiting.get()
            with bind_task(unkept.task.name):
                try:
                    await self._keep(unkept)
                except KubeError as error:
                    # It is taken again when the task is looked at again.
                    self._taken.pop(unkept.log.pod_uid, None)
                    logger.warning("the log of Pod %s is not kept yet: %s", unkept.log.pod, error)
                except Exception:
                    logger.exception("the log of Pod %s is not kept", unkept.log.pod)

    async def _keep(self, unkept: UnkeptLog) -> None:
        task, attempt = unkept.task, unkept.log.attempt
        text = await self._read(unkept)
        now = self.now()
        kept = await self.logs.keep(
            task.namespace, task.uid, attempt, text, log_expiry(task, now, self.retention) - now
        )
        if kept is None:
            return
        replaced = await self._write(unkept.item, kept)
        await self.logs.delete(replaced, task.namespace, task.uid)

    async def _read(self, unkept: UnkeptLog) -> str:
        """The log as far as it can be had, its middle left out where it is too long.

        Raises KubeError where nothing of it can be read, and that may change.
        """
        log = unkept.log
        output = BoundedOutput.within(self.logs.max_bytes)
        # Some places stay for what is read at once: a Pod whose log waits may be gone soon.
        follow = not log.ended and self._following < self._at_a_time / 2
        self._following += follow
        try:
            await self._read_into(output, unkept, LogOptions(container=log.container, follow=follow))
        finally:
            self._following -= follow
        return output.text()

    async def _read_into(self, output: BoundedOutput, unkept: UnkeptLog, options: LogOptions) -> None:
        log = unkept.log
        try:
            async with asyncio.timeout(FOLLOW_SECONDS if options.follow else READ_SECONDS):
                async for chunk in self.kube.log_chunks(log.pod, unkept.task.namespace, options):
                    output.add(chunk)
        except NotFoundError as error:
            logger.debug("the log of Pod %s: %s", log.pod, error)
            return
        except (KubeError, TimeoutError) as error:
            if output.is_empty and isinstance(error, KubeError):
                raise
            is_whole = False
        else:
            is_whole = log.ended or options.follow
        if not is_whole and not output.is_empty:
            output.add(UNREAD)

    async def _write(self, item: JsonObject, kept: LogRecord) -> LogRecord | None:
        """Note in the task's status what is kept; gives what is kept and of no use any more."""
        useless: LogRecord | None = kept

        def change(task: McpTask) -> JsonObject | None:
            nonlocal useless
            known = task.status.log
            if task.uid != uid:
                useless = kept
                return None
            if known is not None and (known.attempt or 0) >= (kept.attempt or 0):
                # A write whose answer was lost: the store has this text now, which the record has to be of.
                useless = None if is_same_place(known, kept) else kept
                return {"status": log_field(kept)} if useless is None and known != kept else None
            useless = known
            return {"status": log_field(kept)}

        uid = parse_task(item).uid
        try:
            await self.tasks.update_status(item, change)
        except NotFoundError:
            return kept
        return useless


def is_same_place(one: LogRecord, other: LogRecord) -> bool:
    """Whether both records are of the same text in the store."""
    return one.stored is not None and other.stored is not None and one.stored.ref == other.stored.ref
