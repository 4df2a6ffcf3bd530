"""Workers survive whatever their work does."""

from __future__ import annotations

import asyncio
import logging

import pytest

from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.watch_cache import Key
from mcptasks_operator.acting.workers import Workers
from mcptasks_operator.metrics import OperatorMetrics
from mcptasks_operator.watching.work_queue import WorkQueue
from tests.unit.operator.builders import until

pytestmark = pytest.mark.anyio

A, B = ("ns", "a"), ("ns", "b")


class Work:
    """Counts calls; raises what is planned for the first ones."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls: list[Key] = []
        self.enough = asyncio.Event()
        self.wanted = len(errors) + 1

    async def reconcile(self, key: Key) -> float | None:
        self.calls.append(key)
        if len(self.calls) >= self.wanted:
            self.enough.set()
        if self.errors:
            raise self.errors.pop(0)
        return None


async def run(queue: WorkQueue[Key], work: Work, count: int = 1, metrics: OperatorMetrics | None = None) -> None:
    workers = Workers(queue, work.reconcile, count, metrics or OperatorMetrics())
    task = asyncio.create_task(workers.run())
    try:
        async with asyncio.timeout(5):
            await work.enough.wait()
            await until(lambda: not queue.busy)
    finally:
        task.cancel()
        await asyncio.wait([task])
        queue.close()


async def test_an_unexpected_error_is_logged_with_its_trace_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    queue, work = WorkQueue[Key](), Work(ZeroDivisionError("a fault of ours"))
    queue.add(A)
    await run(queue, work)
    assert work.calls == [A, A]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None


async def test_an_api_server_that_is_away_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    queue, work = WorkQueue[Key](), Work(UnavailableError(0, "Unavailable", "cannot reach it"))
    queue.add(A)
    await run(queue, work)
    (record,) = [record for record in caplog.records if record.name == "mcptasks_operator.acting.workers"]
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)


async def test_a_task_that_always_fails_does_not_hold_up_others() -> None:
    queue, work = WorkQueue[Key](), Work(*[ValueError("no")] * 3)
    queue.add(A)
    queue.add(B)
    await run(queue, work)
    assert B in work.calls


async def test_a_wish_to_come_again_is_kept() -> None:
    queue = WorkQueue[Key]()
    work = Work()

    async def reconcile(key: Key) -> float | None:
        await work.reconcile(key)
        return 3600.0

    task = asyncio.create_task(Workers(queue, reconcile, 2).run())
    queue.add(A)
    async with asyncio.timeout(5):
        await work.enough.wait()
        await until(lambda: not queue.busy)
    assert queue.delayed == 1
    task.cancel()
    await asyncio.wait([task])
    queue.close()


@pytest.mark.parametrize(
    ("error", "outcome"), [(ValueError("ours"), "fault"), (UnavailableError(0, "Unavailable", "away"), "api_error")]
)
async def test_outcomes_are_counted(error: Exception, outcome: str) -> None:
    queue, work, metrics = WorkQueue[Key](), Work(error), OperatorMetrics()
    queue.add(A)
    await run(queue, work, metrics=metrics)
    values = metrics.instruments.registry.get_sample_value
    assert values("mcptasks_operator_reconciles_total", {"outcome": outcome}) == 1
    assert values("mcptasks_operator_reconciles_total", {"outcome": "ok"}) == 1
    assert values("mcptasks_operator_reconcile_duration_seconds_count") == 2
