"""Where results live: in the McpTask itself where they are small, in Redis where they are not.

Size and SHA-256 of a result go into the task's status, and every read checks them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from mcptasks.model.task import ResultRecord
from mcptasks.settings import Settings
from mcptasks.stores.kept_logs import KeptLogs
from mcptasks.stores.result_errors import ResultLostError, ResultTooLargeError, counted_twice, readable_size
from mcptasks.stores.result_stores import InlineStore, Payload, RedisStore, ResultKey, ResultStore, is_recorded
from mcptasks.stores.text_pieces import ByteRange, TextPiece, whole_characters

MAX_OBJECT_BYTES = 1_500_000
"""Largest object that we ask the API server to store: etcd refuses requests of 1.5 MiB (`--max-request-bytes`)."""


@dataclass(frozen=True)
class ResultLimits:
    """Largest results in bytes: in the object, and at all, with the setting that raises the latter."""

    inline: int
    total: int
    setting: str


class Results:
    """All results of the tasks, wherever they are kept."""

    def __init__(self, limits: ResultLimits, redis: RedisStore | None = None, max_log_bytes: int = 0) -> None:
        self._limits = limits
        self._inline = InlineStore()
        self._redis = redis
        self.logs = KeptLogs(redis, max_log_bytes)
        """The logs of the same tasks, in the same store."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Results:
        """The stores that the settings ask for.

        Raises:
            ValueError: MCPTASKS_REDIS_URL is not the URL of a Redis.
        """
        if settings.redis_url is None:
            limit = settings.max_result_bytes_without_redis
            return cls(ResultLimits(limit, limit, "MCPTASKS_REDIS_URL or MCPTASKS_MAX_RESULT_BYTES_WITHOUT_REDIS"))
        try:
            redis = RedisStore.connect(settings.redis_url.get_secret_value(), settings.redis_prefix)
        except (ValueError, TypeError) as error:
            raise ValueError(
                "MCPTASKS_REDIS_URL is not the URL of a Redis; it looks like redis://:password@host:6379/0"
            ) from error
        limits = ResultLimits(settings.inline_result_bytes, settings.max_result_bytes, "MCPTASKS_MAX_RESULT_BYTES")
        return cls(limits, redis, settings.max_log_bytes)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        if self._redis is not None:
            await self._redis.aclose()

    @property
    def max_bytes(self) -> int:
        """Size of the largest result that is taken, in bytes of UTF-8."""
        return self._limits.total

    async def put(
        self,
        namespace: str,
        uid: str,
        attempt: int,
        text: str,
        expires_in: timedelta,
        *,
        object_bytes: int = 0,
    ) -> ResultRecord:
        """Store the result of one attempt. Storing it again is harmless.

        Args:
            expires_in: time until the task expires; payloads outside the object live a little longer.
            object_bytes: size of the task's object without the result, which shares the API server's limit with it.

        Raises:
            ResultTooLargeError: no store takes a result of this size.
            ResultStoreUnavailableError: the store cannot be asked; try again.
        """
        payload = await Payload.of(text)
        if payload.size > self._limits.total:
            detail = counted_twice(text)
            raise ResultTooLargeError(payload.size, self._limits.total, self._limits.setting, detail)
        key = ResultKey(namespace, uid, attempt)
        return await self._store_for(payload, object_bytes).put(key, payload, expires_in)

    def _store_for(self, payload: Payload, object_bytes: int) -> ResultStore:
        room = MAX_OBJECT_BYTES - object_bytes
        inside = payload.size_in_object()
        if payload.size <= self._limits.inline and inside <= room:
            return self._inline
        if self._redis is None:
            detail = f" for what the task's object has left, where it takes {readable_size(inside)} with its escapes"
            detail += counted_twice(payload.text)
            raise ResultTooLargeError(payload.size, max(0, room), "MCPTASKS_REDIS_URL", detail)
        return self._redis

    async def get(self, record: ResultRecord) -> str:
        """The recorded result, as JSON text.

        Raises:
            ResultLostError: it is gone, or is not what was recorded.
            ResultStoreUnavailableError: the store cannot be asked; try again.
        """
        return (await self.read(record)).decode()

    async def read(self, record: ResultRecord) -> bytes:
        """The same as UTF-8, in memory once. Raises as `get` does."""
        data = await self._store_of(record).read(record)
        if not await is_recorded(data, record):
            where = record.ref or "the task's status"
            raise ResultLostError(f"the result in {where} is not the recorded one: its size or SHA-256 differs")
        return data

    async def get_piece(self, record: ResultRecord, span: ByteRange) -> TextPiece:
        """The characters of the recorded result that begin in this range, as far as they fit; one at least.

        Only that much is read where it is in Redis. So what is not checked is its SHA-256.

        Raises:
            SplitCharacterError: the range begins in the middle of a character.
            ResultLostError: the result is gone, or is not what was recorded.
            ResultStoreUnavailableError: the store cannot be asked; try again.
        """
        wanted = span.read_length(record.size_bytes)
        data = await self._store_of(record).read_part(record, span.offset, wanted)
        where = record.ref or "the task's status"
        if len(data) != wanted:
            raise ResultLostError(f"the result in {where} is not the recorded one: its size differs")
        try:
            return whole_characters(data, span.length)
        except UnicodeDecodeError as error:
            raise ResultLostError(f"the result in {where} is not the recorded one: it is no UTF-8") from error

    async def delete(self, record: ResultRecord) -> None:
        """Remove the result, if it is there. Raises ResultStoreUnavailableError."""
        await self._store_of(record).delete(record)

    def _store_of(self, record: ResultRecord) -> ResultStore:
        if record.ref is None:
            return self._inline
        if self._redis is None:
            raise ResultLostError(
                f"the result is in Redis ({record.ref}), but this server has none; set MCPTASKS_REDIS_URL"
            )
        return self._redis


def stored_size(value: object) -> int:
    """Bytes of a JSON value as the API server stores it."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
