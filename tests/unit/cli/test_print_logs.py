"""Logs of tasks that workers have run, which their statuses keep."""

from __future__ import annotations

from typing import cast

import pytest

from mcptasks.cli.cluster_session import ClusterSession
from mcptasks.cli.command_errors import CliError
from mcptasks.cli.commands.print_logs import TaskLog
from mcptasks.model.log_records import log_record
from mcptasks.model.task import McpTask

pytestmark = pytest.mark.anyio

PRINTED = "".join(f"line {n}\n" for n in range(500))


class ClusterOfOneTask:
    """Has one task, and no Pod of it any more."""

    def __init__(self, attempts: int, recorded: int, text: str = PRINTED) -> None:
        record = log_record(text, recorded)
        assert record is not None
        self._task = McpTask.model_validate(
            {
                "metadata": {"name": "report-1"},
                "spec": {"component": {"name": "report"}},
                "status": {"executor": "Warm", "attempts": attempts, "log": record.dump()},
            }
        )

    async def task(self, name: str) -> McpTask:
        assert name == "report-1"
        return self._task


async def read(cluster: ClusterOfOneTask, *, tail: int | None = None, previous: bool = False) -> list[str]:
    log = TaskLog(cast(ClusterSession, cluster), "report-1", tail)
    return [line async for line in log.read(previous)]


async def test_what_a_worker_has_handed_in_is_shown_when_its_pod_has_gone() -> None:
    assert await read(ClusterOfOneTask(1, 1)) == PRINTED.splitlines()


@pytest.mark.parametrize(("tail", "first"), [(0, 500), (3, 497), (1000, 0)])
async def test_the_last_lines_can_be_asked_for(tail: int, first: int) -> None:
    assert await read(ClusterOfOneTask(1, 1), tail=tail) == PRINTED.splitlines()[first:]


async def test_while_the_next_attempt_runs_the_kept_log_is_that_of_the_one_before() -> None:
    assert await read(ClusterOfOneTask(2, 1), previous=True) == PRINTED.splitlines()


async def test_of_earlier_attempts_than_that_nothing_is_kept() -> None:
    with pytest.raises(CliError, match="keeps the log of its last attempt"):
        await read(ClusterOfOneTask(2, 2), previous=True)
