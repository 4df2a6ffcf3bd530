"""The logs of tasks that have ended: the end of each in the task's own status, and more of a long one in Redis.

A log is worth less than the outcome that it belongs to. So no failure of the store is an error here: then the end of
the log is kept, or read, alone.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from mcptasks.model.bounded_output import within_bytes
from mcptasks.model.log_records import MAX_PLAIN_BYTES, log_record, log_text
from mcptasks.model.task import LogRecord
from mcptasks.stores.result_errors import ResultLostError, ResultStoreUnavailableError
from mcptasks.stores.result_stores import Payload, RedisStore, ResultKey, StoredKind, is_recorded, is_ref_of

logger = logging.getLogger(__name__)

STORE_SECONDS = 5.0
"""How long the store may take: an outcome waits for it, and a viewer."""


@dataclass(frozen=True)
class KeptLog:
    """What is left of an attempt's log, and why earlier lines are missing, if they are."""

    text: str
    note: str | None = None


@dataclass(frozen=True)
class KeptLogs:
    """Where the logs are. `limit`: the most bytes that are kept of one if there is a Redis."""

    redis: RedisStore | None = None
    limit: int = 0

    @property
    def max_bytes(self) -> int:
        """How much is kept of one log in the store; 0 where nothing is."""
        return 0 if self.redis is None else self.limit

    async def keep(self, namespace: str, uid: str, attempt: int, text: str, expires_in: timedelta) -> LogRecord | None:
        """The record for the task's status of what an attempt printed; None where that is nothing.

        Storing it again is harmless. `expires_in`: time until the task expires.
        """
        long = len(text) > MAX_PLAIN_BYTES
        kept = await asyncio.to_thread(log_record, text, attempt) if long else log_record(text, attempt)
        if kept is None or not kept.cut or self.redis is None or not self.limit:
            return kept
        key = ResultKey(namespace, uid, attempt, StoredKind.LOG)
        try:
            async with asyncio.timeout(STORE_SECONDS):
                payload = await Payload.of(within_bytes(text, self.limit))
                stored = await self.redis.put(key, payload, expires_in)
        except (ResultStoreUnavailableError, TimeoutError) as error:
            logger.warning("only the end of the log is kept: %s", error or "Redis does not answer")
            return kept
        return kept.model_copy(update={"stored": stored})

    async def read(self, record: LogRecord, namespace: str, uid: str) -> KeptLog:
        """The log that a task's status tells of: the whole of it as far as it is kept, or its end."""
        try:
            end = log_text(record)
        except ValueError as error:
            return KeptLog("", str(error))
        if record.stored is None:
            return KeptLog(end, EARLIER_LINES if record.cut else None)
        if record.stored.ref is None or not is_ref_of(record.stored.ref, namespace, uid, StoredKind.LOG):
            return KeptLog(end, f"{EARLIER_LINES}: what the task's status points to is not its own log")
        if self.redis is None:
            size = f"{record.stored.size_bytes:,} bytes of it are"
            return KeptLog(end, f"{EARLIER_LINES}: {size} in Redis; set MCPTASKS_REDIS_URL to read them")
        try:
            async with asyncio.timeout(STORE_SECONDS):
                data = await self.redis.read(record.stored)
                whole = await is_recorded(data, record.stored)
        except (ResultStoreUnavailableError, TimeoutError) as error:
            return KeptLog(end, f"{EARLIER_LINES}: {error or 'Redis does not answer'}")
        except ResultLostError:
            return KeptLog(end, f"{EARLIER_LINES}: Redis has lost them")
        if not whole:
            return KeptLog(end, f"{EARLIER_LINES}: Redis has another text in their place")
        return KeptLog(data.decode())

    async def delete(self, record: LogRecord | None, namespace: str, uid: str) -> None:
        """Remove what is stored of it, if anything is. What cannot be removed goes when it expires."""
        stored = None if record is None else record.stored
        if stored is None or stored.ref is None or self.redis is None:
            return
        if not is_ref_of(stored.ref, namespace, uid, StoredKind.LOG):
            logger.warning("the task's log was not its own: %s", stored.ref)
            return
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await self.redis.delete(stored)
        except (ResultStoreUnavailableError, TimeoutError) as error:
            logger.warning("a log stays until it expires: %s", error or "Redis does not answer")


EARLIER_LINES = "earlier lines are missing"
