"""Results: where they are kept, what is refused, and what a lost or changed one gets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import anyio
import pytest
from redis.asyncio import Redis

from mcptasks.model.task import ResultRecord
from mcptasks.settings import KIB, MIB, Settings
from mcptasks.stores.result_errors import (
    ResultLostError,
    ResultStoreUnavailableError,
    ResultTooLargeError,
    readable_size,
)
from mcptasks.stores.result_stores import EXPIRY_SLACK, RedisStore
from mcptasks.stores.results import Results
from mcptasks.stores.text_pieces import ByteRange
from tests.support.json_texts import text_of
from tests.support.ports import free_port
from tests.support.redis import RedisServer, running_redis

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


@pytest.fixture
async def plain() -> AsyncIterator[Results]:
    async with Results.from_settings(Settings()) as results:
        yield results


@pytest.fixture
async def results(redis_process: RedisServer, redis: Redis) -> AsyncIterator[Results]:
    async with Results.from_settings(Settings(redis_url=redis_process.url)) as results:
        yield results


class TestWithoutRedis:
    async def test_a_result_is_kept_in_its_record(self, plain: Results) -> None:
        text = '{"n": 1.0, "s": "é"}'
        record = await plain.put("ns", "u", 1, text, HOUR)
        assert (record.text, record.ref, record.size_bytes) == (text, None, len(text) + 1)
        assert await plain.get(record) == text

    async def test_a_result_of_the_limit_is_taken_and_one_byte_more_is_not(self, plain: Results) -> None:
        assert plain.max_bytes == MIB
        await plain.put("ns", "u", 1, text_of(MIB), HOUR)
        with pytest.raises(
            ResultTooLargeError, match=r"is 1048577 bytes, the limit is 1048576 bytes.*REDIS_URL"
        ) as caught:
            await plain.put("ns", "u", 1, text_of(MIB + 1), HOUR)
        assert (caught.value.size, caught.value.limit) == (MIB + 1, MIB)

    @pytest.mark.parametrize("character", ['"', "<"])
    async def test_a_result_that_its_escapes_make_too_large_for_the_object_is_refused(
        self, plain: Results, character: str
    ) -> None:
        text = json.dumps([character * (300 * KIB)])
        assert len(text) < MIB
        with pytest.raises(ResultTooLargeError, match="with its escapes") as caught:
            await plain.put("ns", "u", 1, text, HOUR, object_bytes=700 * KIB)
        assert caught.value.setting == "MCPTASKS_REDIS_URL"

    async def test_a_result_that_the_rest_of_the_object_leaves_no_room_for_is_refused(self, plain: Results) -> None:
        await plain.put("ns", "u", 1, text_of(MIB), HOUR, object_bytes=400_000)
        with pytest.raises(ResultTooLargeError):
            await plain.put("ns", "u", 1, text_of(MIB), HOUR, object_bytes=500_000)

    async def test_a_record_that_was_changed_is_not_believed(self, plain: Results) -> None:
        record = await plain.put("ns", "u", 1, '{"n":1}', HOUR)
        with pytest.raises(ResultLostError, match="SHA-256"):
            await plain.get(record.model_copy(update={"text": '{"n":2}'}))

    async def test_a_record_without_text_or_ref_is_lost(self, plain: Results) -> None:
        with pytest.raises(ResultLostError, match="neither"):
            await plain.get(ResultRecord())

    async def test_a_record_that_points_to_redis_says_what_is_missing(self, plain: Results) -> None:
        with pytest.raises(ResultLostError, match="set MCPTASKS_REDIS_URL"):
            await plain.get(ResultRecord(ref="mcptasks:result:ns:u:1"))


class TestWithRedis:
    async def test_a_small_result_stays_in_the_object(self, results: Results, redis: Redis) -> None:
        record = await results.put("ns", "u", 1, text_of(64 * KIB), HOUR)
        assert record.text is not None
        assert await redis.dbsize() == 0

    async def test_a_large_result_goes_to_redis_and_comes_back_unchanged(self, results: Results) -> None:
        text = text_of(3 * MIB) + "é"
        record = await results.put("ns", "u-1", 2, text, HOUR)
        assert (record.text, record.ref) == (None, "mcptasks:result:ns:u-1:2")
        assert record.size_bytes == 3 * MIB + 2
        assert await results.get(record) == text

    async def test_a_small_result_that_its_object_has_no_room_for_goes_to_redis(self, results: Results) -> None:
        record = await results.put("ns", "u", 1, text_of(KIB), HOUR, object_bytes=1_499_990)
        assert record.ref is not None

    @pytest.mark.parametrize(
        ("expires_in", "least", "most"),
        [
            (HOUR, HOUR, HOUR + EXPIRY_SLACK),
            (timedelta(0), timedelta(minutes=1), EXPIRY_SLACK),
            (timedelta(days=-1), timedelta(0), timedelta(seconds=1)),
        ],
    )
    async def test_a_payload_always_expires_soon_after_its_task(
        self, results: Results, redis: Redis, expires_in: timedelta, least: timedelta, most: timedelta
    ) -> None:
        record = await results.put("ns", "u", 1, text_of(MIB), expires_in)
        left = timedelta(milliseconds=await redis.pttl(str(record.ref)))
        assert least < left <= most

    async def test_storing_the_same_result_again_is_harmless(self, results: Results, redis: Redis) -> None:
        first = await results.put("ns", "u", 1, text_of(MIB), HOUR)
        assert await results.put("ns", "u", 1, text_of(MIB), HOUR) == first
        assert await redis.dbsize() == 1

    async def test_a_deleted_result_is_lost_and_can_be_deleted_again(self, results: Results) -> None:
        record = await results.put("ns", "u", 1, text_of(MIB), HOUR)
        await results.delete(record)
        await results.delete(record)
        with pytest.raises(ResultLostError, match="noeviction"):
            await results.get(record)

    async def test_of_a_large_result_a_piece_alone_is_read(self, results: Results, redis: Redis) -> None:
        record = await results.put("ns", "u", 1, "é" * MIB, HOUR)
        await redis.config_resetstat()
        assert (await results.get_piece(record, ByteRange(KIB, 7))).text == "ééé"
        assert (await results.get_piece(record, ByteRange(2 * MIB - 4, MIB))).text == "éé"
        assert (await redis.info("stats"))["total_net_output_bytes"] < KIB

    async def test_a_piece_of_a_small_result_is_cut_alike(self, results: Results) -> None:
        record = await results.put("ns", "u", 1, "ééé", HOUR)
        assert (await results.get_piece(record, ByteRange(2, 3))).text == "é"

    @pytest.mark.parametrize("left", [None, b"x" * MIB, b"\xff" * (2 * MIB)])
    async def test_no_piece_is_given_of_what_is_gone_or_cut_or_no_text(
        self, results: Results, redis: Redis, left: bytes | None
    ) -> None:
        record = await results.put("ns", "u", 1, text_of(2 * MIB), HOUR)
        await redis.delete(str(record.ref))
        if left is not None:
            await redis.set(str(record.ref), left)
        with pytest.raises(ResultLostError):
            await results.get_piece(record, ByteRange(MIB - KIB, 2 * KIB))

    async def test_a_piece_cannot_be_read_while_redis_is_away(self, results: Results) -> None:
        record = await results.put("ns", "u", 1, text_of(MIB), HOUR)
        async with Results.from_settings(Settings(redis_url=f"redis://127.0.0.1:{free_port()}")) as away:
            with pytest.raises(ResultStoreUnavailableError):
                await away.get_piece(record, ByteRange(0, KIB))

    @pytest.mark.parametrize("foreign", [b"{}", b"\xff\xfe"])
    async def test_a_payload_that_somebody_changed_is_not_believed(
        self, results: Results, redis: Redis, foreign: bytes
    ) -> None:
        record = await results.put("ns", "u", 1, text_of(MIB), HOUR)
        await redis.set(str(record.ref), foreign)
        with pytest.raises(ResultLostError, match="not the recorded"):
            await results.get(record)

    @pytest.mark.parametrize("said", [10, 0, -1])
    async def test_no_more_comes_into_memory_than_was_recorded(
        self, results: Results, redis_process: RedisServer, said: int
    ) -> None:
        record = await results.put("ns", "u", 1, text_of(MIB), HOUR)
        store = RedisStore.connect(redis_process.url, "mcptasks")
        read = await store.read(record.model_copy(update={"size_bytes": said}))
        await store.aclose()
        assert len(read) == max(0, said) + 1

    async def test_a_result_beyond_the_limit_is_refused(self, redis_process: RedisServer, redis: Redis) -> None:
        settings = Settings(redis_url=redis_process.url, max_result_bytes=2 * MIB)
        async with Results.from_settings(settings) as results:
            assert results.max_bytes == 2 * MIB
            with pytest.raises(ResultTooLargeError, match=r"is 3 MiB, the limit is 2 MiB.*MCPTASKS_MAX_RESULT_BYTES"):
                await results.put("ns", "u", 1, text_of(3 * MIB), HOUR)
        assert await redis.dbsize() == 0

    async def test_more_calls_than_connections_wait_and_all_succeed(self, results: Results) -> None:
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(results.put, "ns", f"u{number}", 1, text_of(100 * KIB), HOUR)
        record = await results.put("ns", "u199", 1, text_of(100 * KIB), HOUR)
        assert await results.get(record) == text_of(100 * KIB)


class TestWhenRedisFails:
    async def test_a_redis_that_is_away_is_worth_trying_again_and_works_when_it_is_back(self) -> None:
        with running_redis() as server:
            await self._leave_and_return(server)

    @staticmethod
    async def _leave_and_return(server: RedisServer) -> None:
        async with Results.from_settings(Settings(redis_url=server.url)) as results:
            record = await results.put("ns", "u", 1, text_of(MIB), HOUR)
            server.stop()
            with pytest.raises(ResultStoreUnavailableError, match="cannot read what is stored: Redis"):
                await results.get(record)
            with pytest.raises(ResultStoreUnavailableError, match="cannot store a result: Redis"):
                await results.put("ns", "u", 1, text_of(MIB), HOUR)
            server.start()
            assert await results.put("ns", "u", 1, text_of(MIB), HOUR) == record
            assert await results.get(record) == text_of(MIB)

    async def test_a_full_redis_is_worth_trying_again(self) -> None:
        with running_redis("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server:
            async with Results.from_settings(Settings(redis_url=server.url)) as results:
                with pytest.raises(ResultStoreUnavailableError, match="maxmemory"):
                    await self._fill(results)

    @staticmethod
    async def _fill(results: Results) -> None:
        for number in range(10):
            await results.put("ns", f"u{number}", 1, text_of(MIB), HOUR)

    async def test_a_wrong_password_is_not_shown(self) -> None:
        with running_redis("--requirepass", "right") as server:
            url = server.url.replace("redis://", "redis://:sesame@")
            async with Results.from_settings(Settings(redis_url=url)) as results:
                with pytest.raises(ResultStoreUnavailableError) as caught:
                    await results.put("ns", "u", 1, text_of(MIB), HOUR)
        assert "sesame" not in str(caught.value)

    async def test_nobody_listening_is_told_with_the_address(self) -> None:
        port = free_port()
        async with Results.from_settings(Settings(redis_url=f"redis://127.0.0.1:{port}/0")) as results:
            with pytest.raises(ResultStoreUnavailableError, match=str(port)):
                await results.get(ResultRecord(ref="x"))

    @pytest.mark.parametrize("url", ["http://redis:6379", "redis", "redis://host:port/0"])
    async def test_a_url_that_is_not_one_is_refused_at_once(self, url: str) -> None:
        with pytest.raises(ValueError, match="MCPTASKS_REDIS_URL is not the URL of a Redis"):
            Results.from_settings(Settings(redis_url=url))


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (2048, "2 KiB"), (3 * MIB + MIB // 5, "3.2 MiB")]
)
async def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable_size(size) == text
