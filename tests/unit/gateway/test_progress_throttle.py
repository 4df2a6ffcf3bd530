"""When a runner's progress is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.lowlevel
import pytest

from mcptasks.gateway.contract import ProgressReport, RefusalCode
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.progress_throttle import ProgressThrottle
from mcptasks.gateway.refusals import RefusedError, unavailable
from tests.unit.gateway.builders import a_pod


class Written:
    """What a throttle has written. It fails, or waits, where the test says so."""

    def __init__(self) -> None:
        self.reports: list[float] = []
        self.fails: Exception | None = None
        self._changed = asyncio.Condition()

    async def __call__(self, pod: TaskPod, report: ProgressReport) -> None:
        async with self._changed:
            self.reports.append(report.current)
            self._changed.notify_all()
        if self.fails is not None:
            raise self.fails

    async def wait_for(self, condition: Callable[[list[float]], bool]) -> None:
        with anyio.fail_after(10):
            async with self._changed:
                await self._changed.wait_for(lambda: condition(self.reports))


@pytest.mark.anyio
class TestThrottle:
    @pytest.fixture
    def written(self) -> Written:
        return Written()

    @pytest.fixture
    async def slow(self, written: Written) -> AsyncIterator[ProgressThrottle]:
        """One write a minute."""
        throttle = ProgressThrottle(written, 60)
        yield throttle
        await throttle.aclose()

    @pytest.fixture
    async def quick(self, written: Written) -> AsyncIterator[ProgressThrottle]:
        throttle = ProgressThrottle(written, 0.05)
        yield throttle
        await throttle.aclose()

    async def test_the_first_report_is_written_at_once_and_the_rest_waits(
        self, slow: ProgressThrottle, written: Written
    ) -> None:
        for number in range(5):
            await slow.report(a_pod(), ProgressReport(current=number))
        assert written.reports == [0]

    async def test_the_latest_report_is_written_at_its_turn(self, quick: ProgressThrottle, written: Written) -> None:
        for number in range(5):
            await quick.report(a_pod(), ProgressReport(current=number))
        await written.wait_for(lambda reports: reports == [0, 4])

    async def test_pods_do_not_wait_for_each_other(self, slow: ProgressThrottle, written: Written) -> None:
        await slow.report(a_pod("a"), ProgressReport(current=1))
        await slow.report(a_pod("b"), ProgressReport(current=2))
        assert written.reports == [1, 2]

    async def test_what_the_outcome_takes_is_not_written_again(self, quick: ProgressThrottle, written: Written) -> None:
        await quick.report(a_pod(), ProgressReport(current=1))
        await quick.report(a_pod(), ProgressReport(current=2))
        assert quick.take(a_pod()) == ProgressReport(current=2)
        assert quick.take(a_pod()) is None
        assert quick.take(a_pod("another")) is None
        await quick.report(a_pod(), ProgressReport(current=3))
        await written.wait_for(lambda reports: reports == [1, 3])

    async def test_a_refusal_is_told_at_once(self, slow: ProgressThrottle, written: Written) -> None:
        written.fails = RefusedError(RefusalCode.TASK_ENDED, "over")
        with pytest.raises(RefusedError, match="over"):
            await slow.report(a_pod(), ProgressReport(current=1))

    async def test_a_refusal_of_a_report_that_waited_is_told_to_the_next_one(
        self, quick: ProgressThrottle, written: Written
    ) -> None:
        await quick.report(a_pod(), ProgressReport(current=1))
        written.fails = RefusedError(RefusalCode.SUPERSEDED, "too late")
        await quick.report(a_pod(), ProgressReport(current=2))
        await written.wait_for(lambda reports: reports == [1, 2])
        await anyio.lowlevel.checkpoint()
        with pytest.raises(RefusedError, match="too late"):
            await quick.report(a_pod(), ProgressReport(current=3))

    @pytest.mark.parametrize("error", [unavailable("away"), RuntimeError("a fault")])
    async def test_other_failures_of_a_report_that_waited_stop_nothing(
        self, quick: ProgressThrottle, written: Written, error: Exception
    ) -> None:
        await quick.report(a_pod(), ProgressReport(current=1))
        written.fails = error
        await quick.report(a_pod(), ProgressReport(current=2))
        await written.wait_for(lambda reports: reports == [1, 2])
        written.fails = None
        await quick.report(a_pod(), ProgressReport(current=3))
        await written.wait_for(lambda reports: reports == [1, 2, 3])

    async def test_nothing_is_kept_of_a_pod_that_has_fallen_silent(
        self, quick: ProgressThrottle, written: Written
    ) -> None:
        await quick.report(a_pod(), ProgressReport(current=1))
        await quick.report(a_pod(), ProgressReport(current=2))
        await written.wait_for(lambda reports: reports == [1, 2])
        with anyio.fail_after(10):
            while quick._throttles:  # noqa: ASYNC110 (nothing tells)
                await anyio.sleep(0.01)

    async def test_closing_drops_what_waits(self, written: Written) -> None:
        throttle = ProgressThrottle(written, 0.02)
        await throttle.report(a_pod(), ProgressReport(current=1))
        await throttle.report(a_pod(), ProgressReport(current=2))
        await throttle.aclose()
        await anyio.sleep(0.05)
        assert written.reports == [1]
