"""Logs of tasks that workers have run, which their statuses keep."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mcptasks.cli.cluster_session import ClusterSession
from mcptasks.cli.command_errors import CliError
from mcptasks.cli.commands.print_logs import TaskLog
from mcptasks.kube.errors import NotFoundError
from mcptasks.model.base import JsonObject
from mcptasks.model.log_records import log_record
from mcptasks.model.task import McpTask

pytestmark = pytest.mark.anyio

PRINTED = "".join(f"line {n}\n" for n in range(500))


class ClusterOfOneTask:
    """Has one task, and no Pod of it any more."""

    namespace = "default"

    def __init__(self, attempts: int, recorded: int, text: str = PRINTED, executor: str = "Warm") -> None:
        record = log_record(text, recorded)
        assert record is not None
        self._task = McpTask.model_validate(
            {
                "metadata": {"name": "report-1", "uid": "uid-1"},
                "spec": {"component": {"name": "report"}},
                "status": {
                    "executor": executor,
                    "phase": "failed",
                    "attempts": attempts,
                    "podName": "pod-1",
                    "log": record.dump(),
                },
            }
        )

    @property
    def kube(self) -> ClusterOfOneTask:
        return self

    async def task(self, name: str) -> McpTask:
        assert name == "report-1"
        return self._task

    async def get(self, resource: Any, name: str, namespace: str) -> JsonObject:
        return self._task.dump()

    async def list(self, resource: Any, namespace: str, label_selector: str) -> Any:
        return SimpleNamespace(items=[])


async def read(cluster: ClusterOfOneTask, *, tail: int | None = None, previous: bool = False) -> list[str]:
    log = TaskLog(cast(ClusterSession, cluster), "report-1", tail)
    return [line async for line in log.read(previous)]


async def test_what_a_worker_has_handed_in_is_shown_when_its_pod_has_gone() -> None:
    assert await read(ClusterOfOneTask(1, 1)) == PRINTED.splitlines()


async def test_so_is_what_is_kept_of_a_pod_of_the_tasks_own() -> None:
    cluster = ClusterOfOneTask(1, 1, executor="Job")
    assert await read(cluster) == PRINTED.splitlines()
    followed = TaskLog(cast(ClusterSession, cluster), "report-1", tail=2).follow()
    assert [line async for line in followed] == PRINTED.splitlines()[-2:]


async def test_where_earlier_lines_are_missing_it_is_said_beside_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    noise = random.Random(3)
    text = "".join(f"{noise.getrandbits(800):x}\n" for _ in range(1000))
    shown = await read(ClusterOfOneTask(1, 1, text))
    assert shown
    assert text.endswith("\n".join(shown[1:]) + "\n")
    assert capsys.readouterr().err == "task report-1: earlier lines are missing\n"


async def test_it_is_said_too_where_the_log_of_a_worker_that_has_gone_is_followed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    noise = random.Random(3)
    text = "".join(f"{noise.getrandbits(800):x}\n" for _ in range(1000))
    cluster = WorkersCluster([(state("completed", 1, "w-1", text), {})])
    shown = [line async for line in TaskLog(cast(ClusterSession, cluster), "report-1").follow()]
    assert text.endswith("\n".join(shown[1:]) + "\n")
    assert capsys.readouterr().err == "task report-1: earlier lines are missing\n"


@pytest.mark.parametrize(("tail", "first"), [(0, 500), (3, 497), (1000, 0)])
async def test_the_last_lines_can_be_asked_for(tail: int, first: int) -> None:
    assert await read(ClusterOfOneTask(1, 1), tail=tail) == PRINTED.splitlines()[first:]


async def test_while_the_next_attempt_runs_the_kept_log_is_that_of_the_one_before() -> None:
    assert await read(ClusterOfOneTask(2, 1), previous=True) == PRINTED.splitlines()


async def test_of_earlier_attempts_than_that_nothing_is_kept() -> None:
    with pytest.raises(CliError, match="keeps the log of its last attempt"):
        await read(ClusterOfOneTask(2, 2), previous=True)


def state(phase: str, attempt: int, pod: str | None, log: str | None = None) -> JsonObject:
    """A task of a worker at one moment."""
    record = log_record(log, attempt)
    kept = {} if record is None else {"log": record.dump()}
    status = {"executor": "Warm", "phase": phase, "attempts": attempt, "podName": pod, **kept}
    spec = {"component": {"name": "report"}}
    return {"metadata": {"name": "report-1", "namespace": "default"}, "spec": spec, "status": status}


class WorkersCluster:
    """Has a task that workers run: another moment at each look. Is its own API client."""

    def __init__(self, moments: list[tuple[JsonObject, dict[str, list[str]]]]) -> None:
        self._moments = moments
        self._look = -1
        self.reads: list[bool] = []
        self.namespace = "default"

    @property
    def kube(self) -> WorkersCluster:
        return self

    async def task(self, name: str) -> McpTask:
        return McpTask.model_validate(self._moments[max(self._look, 0)][0])

    async def get(self, resource: Any, name: str, namespace: str) -> JsonObject:
        if name == "report-1":
            self._look = min(self._look + 1, len(self._moments) - 1)
            return self._moments[self._look][0]
        if name not in self._moments[max(self._look, 0)][1]:
            raise NotFoundError(404, "NotFound", name)
        running = {"name": "runner", "state": {"running": {}}}
        spec = {"containers": [{"name": "runner"}]}
        return {"metadata": {"name": name}, "spec": spec, "status": {"containerStatuses": [running]}}

    async def list(self, resource: Any, namespace: str, label_selector: str) -> Any:
        return SimpleNamespace(items=[])

    async def log_lines(self, pod: str, namespace: str, options: Any) -> AsyncIterator[str]:
        self.reads.append(options.follow)
        for line in self._moments[max(self._look, 0)][1][pod]:
            yield line


async def test_of_a_worker_that_runs_it_the_tasks_own_lines_are_shown() -> None:
    printed = ["worker ready", "[other-2/1] secret", "[report-1/1] one", "[report-1/2]+tw", "[report-1/2] o"]
    cluster = WorkersCluster([(state("working", 2, "w-1"), {"w-1": printed})])
    assert [line async for line in TaskLog(cast(ClusterSession, cluster), "report-1").read(previous=False)] == ["two"]


async def test_what_is_followed_goes_on_with_the_next_worker_and_ends_with_the_task() -> None:
    first = ["[report-1/1] one", "[other-2/1] secret"]
    second = [*first, "[report-1/1] last words"]
    moments = [
        (state("working", 1, None), {}),
        (state("working", 1, "w-1"), {"w-1": first}),
        (state("working", 2, "w-2"), {"w-1": second, "w-2": ["[report-1/2] again"]}),
        (state("completed", 2, "w-2", "again\ndone\n"), {}),
    ]
    log = TaskLog(cast(ClusterSession, WorkersCluster(moments)), "report-1")
    assert [line async for line in log.follow()] == ["one", "last words", "again", "done"]


async def test_a_log_is_followed_and_not_read_anew_for_each_look() -> None:
    printed = ["[report-1/1] one", "[report-1/1] two"]
    moments = [(state("working", 1, "w-1"), {"w-1": printed})] * 3 + [(state("completed", 1, "w-1"), {"w-1": printed})]
    cluster = StreamingCluster(moments)
    log = TaskLog(cast(ClusterSession, cluster), "report-1")
    assert [line async for line in log.follow()] == ["one", "two"]
    # One stream, and one look when the attempt is over.
    assert cluster.reads == [True, False]


async def test_of_a_followed_log_the_last_lines_are_shown_first() -> None:
    printed = [f"[report-1/1] {number}" for number in range(5)]
    moments = [(state("working", 1, "w-1"), {"w-1": printed})] * 2 + [(state("completed", 1, "w-1"), {"w-1": printed})]
    log = TaskLog(cast(ClusterSession, StreamingCluster(moments)), "report-1", tail=2)
    assert [line async for line in log.follow()] == ["3", "4"]


class StreamingCluster(WorkersCluster):
    """Its logs do not end while they are followed."""

    async def log_lines(self, pod: str, namespace: str, options: Any) -> AsyncIterator[str]:
        async for line in super().log_lines(pod, namespace, options):
            yield line
        if options.follow:
            await asyncio.Event().wait()
