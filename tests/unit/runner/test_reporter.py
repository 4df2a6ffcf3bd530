"""Progress on its way to the gateway: the latest wins, nothing is sent too often, nothing fails the tool."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from mcptasks.gateway.contract import PROGRESS_PATH, RefusalCode
from mcptasks.runner.gateway_client import GatewayClient, RetryPace, TaskOverError
from mcptasks.runner.reporter import Reporter
from tests.support.fake_gateway import FakeGateway, GatewayAnswer, refusal

pytestmark = pytest.mark.anyio


class HeardErrors:
    """What the reporter has said of the task's end."""

    def __init__(self) -> None:
        self.errors: list[TaskOverError] = []
        self.first = anyio.Event()

    def __call__(self, error: TaskOverError) -> None:
        self.errors.append(error)
        self.first.set()


@asynccontextmanager
async def reporting(
    gateway: FakeGateway, token_file: Path, interval: float = 0.05, over: HeardErrors | None = None
) -> AsyncIterator[Reporter]:
    """A reporter that runs on this loop."""
    client = GatewayClient.over_http(gateway.url, token_file, RetryPace())
    yield Reporter(client, interval, over or HeardErrors())
    await client.aclose()


async def has_come(gateway: FakeGateway, count: int) -> None:
    await anyio.to_thread.run_sync(gateway.wait_for, lambda: len(gateway.progress()) >= count)


async def test_the_first_report_is_sent_at_once(gateway: FakeGateway, token_file: Path) -> None:
    async with reporting(gateway, token_file, interval=60) as reporter:
        await reporter.progress(1, 4, "starting")
        await has_come(gateway, 1)
    assert gateway.progress() == [{"current": 1, "total": 4, "message": "starting"}]


async def test_the_first_report_has_what_the_tool_says_in_several_calls(gateway: FakeGateway, token_file: Path) -> None:
    async with reporting(gateway, token_file, interval=60) as reporter:
        await reporter.progress(0, 4, None)
        for _ in range(10):
            await asyncio.sleep(0)
        await reporter.progress(0, 4, "starting")
        await has_come(gateway, 1)
    assert gateway.progress() == [{"current": 0, "total": 4, "message": "starting"}]


async def test_of_the_reports_in_an_interval_the_latest_is_sent(gateway: FakeGateway, token_file: Path) -> None:
    async with reporting(gateway, token_file, interval=0.2) as reporter:
        await reporter.progress(0, None, None)
        await has_come(gateway, 1)
        for number in range(1, 1001):
            await reporter.progress(number, None, None)
        await has_come(gateway, 2)
    assert [report["current"] for report in gateway.progress()] == [0, 1000]
    first, second = gateway.requests(PROGRESS_PATH)
    assert second.at - first.at >= 0.19


async def test_reports_come_from_any_thread(gateway: FakeGateway, token_file: Path) -> None:
    async with reporting(gateway, token_file) as reporter:
        thread = threading.Thread(target=lambda: asyncio.run(reporter.progress(7, None, None)))
        thread.start()
        await has_come(gateway, 1)
        thread.join()
    assert gateway.progress()[0]["current"] == 7


async def test_the_last_report_is_flushed_before_its_turn_and_only_once(gateway: FakeGateway, token_file: Path) -> None:
    async with reporting(gateway, token_file, interval=60) as reporter:
        await reporter.progress(1, None, None)
        await has_come(gateway, 1)
        await reporter.progress(2, None, None)
        await reporter.flush()
        await reporter.flush()
    assert [report["current"] for report in gateway.progress()] == [1, 2]


async def test_a_report_that_failed_is_sent_again_unless_there_is_a_newer_one(
    gateway: FakeGateway, token_file: Path
) -> None:
    gateway.will(PROGRESS_PATH, GatewayAnswer(503), GatewayAnswer(503))
    async with reporting(gateway, token_file) as reporter:
        await reporter.progress(1, None, None)
        await has_come(gateway, 3)
    assert [report["current"] for report in gateway.progress()] == [1, 1, 1]


async def test_flushing_gives_up_when_the_gateway_does_not_answer(gateway: FakeGateway, token_file: Path) -> None:
    gateway.will(PROGRESS_PATH, GatewayAnswer(503), GatewayAnswer(204, seconds=4))
    async with reporting(gateway, token_file, interval=60) as reporter:
        await reporter.progress(1, None, None)
        await has_come(gateway, 1)
        with anyio.fail_after(3.5):
            await reporter.flush()


@pytest.mark.parametrize(
    ("current", "total"), [(float("nan"), None), (float("inf"), None), (1.0, float("inf")), (1.0, float("nan"))]
)
async def test_numbers_that_are_none_are_not_sent(
    gateway: FakeGateway, token_file: Path, current: float, total: float | None
) -> None:
    async with reporting(gateway, token_file) as reporter:
        await reporter.progress(current, total, None)
        await reporter.flush()
    assert gateway.progress() == []


async def test_a_message_is_cut_to_what_a_status_can_hold(gateway: FakeGateway, token_file: Path) -> None:
    async with reporting(gateway, token_file) as reporter:
        await reporter.progress(1, None, "x" * 10_000)
        await reporter.flush()
    assert len(gateway.progress()[0]["message"]) == 4096


async def test_a_task_that_is_over_is_told_once_and_ends_the_reports(gateway: FakeGateway, token_file: Path) -> None:
    gateway.will(PROGRESS_PATH, refusal(410, RefusalCode.TASK_ENDED, "cancelled"))
    over = HeardErrors()
    async with reporting(gateway, token_file, over=over) as reporter:
        await reporter.progress(1, None, None)
        await has_come(gateway, 1)
        await reporter.progress(2, None, None)
        with anyio.fail_after(10):
            await over.first.wait()
    assert [str(error) for error in over.errors] == ["cancelled"]
    assert len(gateway.progress()) == 1


@pytest.mark.parametrize(
    ("level", "data", "name", "text"),
    [
        ("info", "hello", "INFO", "hello"),
        ("emergency", {"a": "é"}, "CRITICAL", '{"a": "é"}'),
        ("unheard of", [1, object], "INFO", "[1, \"<class 'object'>\"]"),
    ],
)
async def test_log_messages_of_the_tool_go_to_the_log(
    gateway: FakeGateway,
    token_file: Path,
    caplog: pytest.LogCaptureFixture,
    level: str,
    data: object,
    name: str,
    text: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with reporting(gateway, token_file) as reporter:
        reporter.log(level, data)
    record = next(record for record in caplog.records if record.name == "mcptasks.tool")
    assert (record.levelname, record.getMessage()) == (name, text)
