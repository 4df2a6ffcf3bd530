"""What one worker can cause is bounded: whatever it names, and however often it comes, others go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
import pytest

from mcptasks.gateway.contract import ASSIGNMENT_PATH, INPUT_PATH, OUTCOME_PATH, PROGRESS_PATH, WORK_PATH
from mcptasks.kube.task_objects import TaskClient
from mcptasks.model.base import JsonObject
from mcptasks.settings import KIB
from tests.integration.gateway.harness import GatewayWorld, code, result
from tests.integration.gateway.worker_harness import (
    PlayedWorker,
    Replica,
    known_to,
    make_worker,
    replica,
    warm_task,
    warm_template,
)

pytestmark = pytest.mark.anyio

UNKNOWN = "8c1f6c1e-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class CountedReads(TaskClient):
    """A client that counts what it reads."""

    reads: Counter[str] = field(default_factory=Counter)

    async def get(self, namespace: str, name: str) -> JsonObject:
        self.reads["one"] += 1
        return await super().get(namespace, name)

    async def all(self, namespace: str) -> list[JsonObject]:
        self.reads["all"] += 1
        return await super().all(namespace)


def named(task: JsonObject, attempt: int = 1, uid: str | None = None) -> JsonObject:
    metadata = task["metadata"]
    return {"taskId": metadata["name"], "uid": uid or metadata["uid"], "attempt": attempt}


async def seen_to_run(at: Replica, task: JsonObject) -> None:
    await known_to(at, task, lambda item: bool((item.get("status") or {}).get("podUid")))


CALLS: dict[str, tuple[str, str, JsonObject | None]] = {
    "progress": ("POST", PROGRESS_PATH, {"current": 1}),
    "ask": ("POST", INPUT_PATH, {"questions": []}),
    "answers": ("GET", INPUT_PATH, None),
    "outcome": ("POST", OUTCOME_PATH, result()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("what", ["attempt", "uid", "task"])
async def test_attempts_that_are_not_the_workers_are_asked_for_only_so_often(
    world: GatewayWorld, call: tuple[str, str, JsonObject | None], what: str
) -> None:
    client, template = CountedReads(world.kube), await warm_template(world)
    worker, honest = await make_worker(world, template), await make_worker(world, template)
    method, path, body = call
    async with replica(world, client=client) as at, honest.working(at):
        task = await warm_task(world)
        run = await honest.runs(task)
        await seen_to_run(at, task)
        client.reads.clear()
        codes: Counter[int] = Counter()
        for number in range(1, 151):
            forged = {
                "attempt": named(task, number),
                "uid": named(task, uid=f"{UNKNOWN[:-4]}{number:04}"),
                "task": {"taskId": f"none-{number}", "uid": UNKNOWN, "attempt": 1},
            }[what]
            codes[(await worker.request(at, method, path, forged, body)).status_code] += 1
        assert codes[429] > 0
        # Progress that comes soon after another report waits for its turn, which is never.
        assert codes.keys() <= {204, 409, 410, 429}
        assert client.reads["one"] <= 100
        assert (await honest.report(run, 1)).status_code == 204
        assert (await honest.deliver(run, result())).status_code == 204


async def test_a_worker_fetches_no_assignment_of_a_task_that_it_was_not_handed(world: GatewayWorld) -> None:
    await warm_template(world, "other")
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        for task in (await world.submit(), await warm_task(world, "other"), await warm_task(world, server="another")):
            answer = await worker.request(at, "GET", ASSIGNMENT_PATH, named(task))
            assert code(answer) == (422, "Invalid")
            assert (await world.task(task)).status.pod_uid is None


async def test_a_worker_that_runs_many_tasks_is_not_held_up(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world, concurrency=40))
    async with replica(world) as at, worker.working(at):
        tasks = [await warm_task(world) for _ in range(40)]
        runs = [await worker.runs(task) for task in tasks]
        for task in tasks:
            await seen_to_run(at, task)
        answers = [await worker.deliver(run, result()) for run in runs]
        assert {answer.status_code for answer in answers} == {204}


async def test_a_worker_connects_only_so_often(world: GatewayWorld) -> None:
    client, template = CountedReads(world.kube), await warm_template(world)
    worker, honest = await make_worker(world, template), await make_worker(world, template)
    async with replica(world, client=client) as at:
        codes = Counter([await connected(at, worker) for _ in range(40)])
        assert codes.keys() == {200, 429}
        assert codes[200] <= 15
        async with honest.working(at):
            await honest.runs(await warm_task(world))


async def test_a_worker_names_only_so_many_attempts_that_it_holds(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at:
        query = "holds=" + ",".join(f"u{number}:1" for number in range(600))
        answer = await at.http.get(f"{WORK_PATH}?{query}", headers={"Authorization": f"Bearer {worker.token}"})
        assert code(answer) == (422, "Invalid")


async def test_a_worker_sends_one_body_at_a_time_about_attempts_that_are_not_its_own(world: GatewayWorld) -> None:
    assert await statuses_of_bodies_about_others(world, PROGRESS_PATH) == [429] * 4 + [503]


async def test_no_questions_are_read_about_attempts_that_are_not_its_own(world: GatewayWorld) -> None:
    statuses = await statuses_of_bodies_about_others(world, INPUT_PATH)
    assert 409 in statuses
    assert set(statuses) <= {409, 429}, "none has waited for its body"


async def statuses_of_bodies_about_others(world: GatewayWorld, path: str) -> list[int]:
    """What five bodies get that a worker begins at once and does not go on with, sorted."""
    worker = await make_worker(world, await warm_template(world))
    async with replica(world, stall_seconds=3) as at:
        tasks = [await warm_task(world) for _ in range(5)]
        return sorted(await asyncio.gather(*(begun(at, path, worker.headers(named(task))) for task in tasks)))


async def connected(at: Replica, worker: PlayedWorker) -> int:
    """The status of a connection that is given up at once."""
    headers = {"Authorization": f"Bearer {worker.token}"}
    async with at.http.stream("GET", f"{WORK_PATH}?module=any", headers=headers) as answer:
        status: int = answer.status_code
        return status


async def test_what_workers_hold_that_nobody_knows_is_looked_up_once_for_all(world: GatewayWorld) -> None:
    client, template = CountedReads(world.kube), await warm_template(world)
    workers = [await make_worker(world, template) for _ in range(12)]
    async with replica(world, client=client) as at:
        for worker in workers:
            await worker.connect(at, holds=f"{UNKNOWN}:1")
        for worker in workers:
            await worker.told("end")
            await worker.disconnect()
        assert client.reads["all"] < 12


async def test_a_worker_that_gives_tasks_back_is_passed_over_for_a_while(world: GatewayWorld) -> None:
    template = await warm_template(world)
    worker, honest = await make_worker(world, template), await make_worker(world, template)
    async with replica(world) as at, worker.working(at):
        task = await warm_task(world)
        taken = 0
        with anyio.move_on_after(6):
            while True:
                run = await worker.runs(task)
                await worker.deliver(run, {"kind": "unstarted", "message": "not now"})
                taken += 1
        assert 1 <= taken <= 4
        async with honest.working(at):
            await honest.runs(task)


async def begun(at: Replica, path: str, headers: dict[str, str]) -> int:
    """The status of a POST whose body has begun and does not go on."""
    where = urlsplit(at.url)
    named_ones = (f"{name}: {value}" for name, value in headers.items())
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", "Content-Length: 40000", *named_ones]
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        writer.write(("\r\n".join([*lines, "", ""]) + " " * KIB).encode())
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
