"""The places where results and logs are kept, and what is stored there.

A result is JSON text and is kept as it is, and so is a log.
"""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from mcptasks.model.task import ResultRecord
from mcptasks.settings import MIB
from mcptasks.stores.result_errors import ResultLostError, ResultStoreUnavailableError

EXPIRY_SLACK = timedelta(minutes=5)
"""How much longer than its task a payload is kept, so that it never goes first."""

REDIS_CONNECTIONS = 20
REDIS_POOL_WAIT_SECONDS = 10.0
REDIS_SOCKET_SECONDS = 10.0
REDIS_CONNECT_SECONDS = 2.0
REDIS_RETRIES = 2
REDIS_SECONDS = 60.0
"""How long a command may take in all, with its repetitions, however slowly its answer comes."""

_LARGE = MIB


class StoredKind(StrEnum):
    """What is stored for a task."""

    RESULT = "result"
    LOG = "log"


@dataclass(frozen=True)
class ResultKey:
    """Whose result it is, or whose log: that of one attempt of one task."""

    namespace: str
    uid: str
    attempt: int
    kind: StoredKind = StoredKind.RESULT


_REF = re.compile(r".*:(result|log):([^:]+):([^:]+):[0-9]+", re.DOTALL)


def is_ref_of(ref: str, namespace: str, uid: str, kind: StoredKind = StoredKind.RESULT) -> bool:
    """Whether the `ref` in the status of this task is a key of its own, of any prefix, and of this kind.

    Whoever can write statuses of one namespace must not get at what is stored for another, or at anything else.
    """
    found = _REF.fullmatch(ref)
    return found is not None and found.groups() == (kind, namespace, uid)


@dataclass(frozen=True)
class Payload:
    """A result as it is stored."""

    text: str
    data: bytes
    sha256: str

    @classmethod
    async def of(cls, text: str) -> Payload:
        """Encode and hash the text; a large one in a thread, so that other calls go on."""
        return await asyncio.to_thread(cls._of, text) if len(text) > _LARGE else cls._of(text)

    @classmethod
    def _of(cls, text: str) -> Payload:
        data = text.encode()
        return cls(text, data, hashlib.sha256(data).hexdigest())

    @property
    def size(self) -> int:
        return len(self.data)

    def size_in_object(self) -> int:
        """Bytes that the text takes as a string in the API server's store, at most.

        Go escapes quotes and backslashes with one more byte, and control characters, `<`, `>` and `&` with five.
        """
        return self.size + _count(self.data, b'"\\') + 5 * _count(self.data, _LONG_ESCAPES)


async def is_recorded(data: bytes, record: ResultRecord) -> bool:
    """Whether these bytes are UTF-8, and what the record is about; of many, found out in a thread."""
    if len(data) != record.size_bytes:
        return False
    return await asyncio.to_thread(_is_recorded, data, record) if len(data) > _LARGE else _is_recorded(data, record)


def _is_recorded(data: bytes, record: ResultRecord) -> bool:
    if hashlib.sha256(data).hexdigest() != record.sha256:
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _LARGE):
            decoder.decode(data[start : start + _LARGE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


_LONG_ESCAPES = bytes(range(0x20)) + b"<>&"


def _count(data: bytes, characters: bytes) -> int:
    return len(data) - len(data.translate(None, characters))


class ResultStore(Protocol):
    """A place for results."""

    async def put(self, key: ResultKey, payload: Payload, expires_in: timedelta) -> ResultRecord:
        """Store the payload. Raises ResultStoreUnavailableError."""

    async def read(self, record: ResultRecord) -> bytes:
        """What is stored, at most one byte more than recorded. Raises ResultLostError, ResultStoreUnavailableError."""

    async def read_part(self, record: ResultRecord, offset: int, length: int) -> bytes:
        """So many bytes of the stored text, or what there is of them.

        Raises ResultLostError, ResultStoreUnavailableError.
        """

    async def delete(self, record: ResultRecord) -> None:
        """Remove the payload, if it is there. Raises ResultStoreUnavailableError."""


class InlineStore:
    """Keeps results in the record itself, hence in the McpTask's status."""

    async def put(self, key: ResultKey, payload: Payload, expires_in: timedelta) -> ResultRecord:
        return ResultRecord(text=payload.text, size_bytes=payload.size, sha256=payload.sha256)

    async def read(self, record: ResultRecord) -> bytes:
        if record.text is None:
            raise ResultLostError("the task's record says that there is a result, but holds neither text nor ref")
        try:
            return record.text.encode()
        except UnicodeEncodeError as error:
            raise ResultLostError("the result in the task's status is not the recorded one") from error

    async def read_part(self, record: ResultRecord, offset: int, length: int) -> bytes:
        return (await self.read(record))[offset : offset + length]

    async def delete(self, record: ResultRecord) -> None:
        """Nothing to do: the text goes with the record."""


@dataclass(frozen=True)
class RedisStore:
    """Keeps results in Redis under `{prefix}:result:{namespace}:{uid}:{attempt}`, always with an expiry.

    Logs are kept in the same way, with `log` in the place of `result`.
    """

    redis: Redis = field(repr=False)
    """Its repr has the password."""

    prefix: str

    @classmethod
    def connect(cls, url: str, prefix: str) -> RedisStore:
        """A store on the Redis at `url`. Nothing is sent yet.

        Raises:
            ValueError: the URL is none that Redis knows.
        """
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=REDIS_CONNECTIONS,
            timeout=REDIS_POOL_WAIT_SECONDS,
            socket_timeout=REDIS_SOCKET_SECONDS,
            socket_connect_timeout=REDIS_CONNECT_SECONDS,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), REDIS_RETRIES),
            health_check_interval=30,
        )
        return cls(Redis.from_pool(pool), prefix)

    async def aclose(self) -> None:
        await self.redis.aclose()

    def key(self, key: ResultKey) -> str:
        return f"{self.prefix}:{key.kind}:{key.namespace}:{key.uid}:{key.attempt}"

    async def put(self, key: ResultKey, payload: Payload, expires_in: timedelta) -> ResultRecord:
        name = self.key(key)
        milliseconds = max(1000, round((expires_in + EXPIRY_SLACK) / timedelta(milliseconds=1)))
        async with _store_errors(f"store a {key.kind}"):
            await self.redis.set(name, payload.data, px=milliseconds)
        return ResultRecord(ref=name, size_bytes=payload.size, sha256=payload.sha256)

    async def read(self, record: ResultRecord) -> bytes:
        # Whatever is there, no more than one byte beyond what was recorded comes into memory.
        return await self.read_part(record, 0, max(0, record.size_bytes) + 1)

    async def read_part(self, record: ResultRecord, offset: int, length: int) -> bytes:
        async with _store_errors("read what is stored"):
            # Redis counts the last byte in, and gives nothing for what is not there.
            data = await self.redis.getrange(str(record.ref), offset, offset + length - 1)
        if not isinstance(data, bytes) or not data:
            raise _lost(record)
        return data

    async def delete(self, record: ResultRecord) -> None:
        async with _store_errors("remove what is stored"):
            await self.redis.delete(str(record.ref))


def _lost(record: ResultRecord) -> ResultLostError:
    return ResultLostError(
        f"the result is no longer in Redis ({record.ref}): Redis lost or evicted it; give it persistence and "
        "maxmemory-policy noeviction, and call the tool again"
    )


@asynccontextmanager
async def _store_errors(action: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(REDIS_SECONDS):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise ResultStoreUnavailableError(f"cannot {action}: Redis: {error or type(error).__name__}") from error
