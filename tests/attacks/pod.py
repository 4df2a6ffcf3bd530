"""Attacks of one task's Pod.

The Pod has its own valid token and nothing else; the server is one of its own on loopback.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx2

from mcptasks.gateway.contract import INPUT_PATH, OUTCOME_PATH
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.model.base import JsonObject
from tests.attacks.table import AttackTable
from tests.attacks.target import AttackedProcess, target
from tests.integration.gateway.harness import GatewayCaller, result

LOOP_SECONDS = 8.0
SIDE_BY_SIDE = 4
MAX_CALLS = 20_000
POLLS = 200


@dataclass
class TaskWrites:
    """What was written to one task: how often, and the bytes of its object each time."""

    count: int = 0
    size: int = 0
    watching: asyncio.Task[None] | None = field(default=None, repr=False)


@asynccontextmanager
async def written(server: AttackedProcess, task: JsonObject) -> AsyncIterator[TaskWrites]:
    """Count the writes to the task while the context lasts."""
    writes, world = TaskWrites(), server.world
    name = task["metadata"]["name"]
    version = (await world.kube.get(MCP_TASKS, name, world.namespace))["metadata"]["resourceVersion"]

    async def watch() -> None:
        async for event in world.kube.watch(MCP_TASKS, world.namespace, resource_version=version):
            if event.type == "MODIFIED" and event.object["metadata"]["name"] == name:
                writes.count += 1
                writes.size += len(json.dumps(event.object))

    watching = asyncio.create_task(watch())
    try:
        yield writes
        await asyncio.sleep(1)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def looped(call: Callable[[int], Awaitable[httpx2.Response]], seconds: float = LOOP_SECONDS) -> str:
    """Repeat the call side by side; gives how often which answer came."""
    codes: Counter[str] = Counter()
    numbers, end = iter(range(MAX_CALLS)), time.monotonic() + seconds

    async def one_after_the_other() -> None:
        while time.monotonic() < end and (number := next(numbers, None)) is not None:
            try:
                codes[str((await call(number)).status_code)] += 1
            except httpx2.HTTPError as error:
                codes[type(error).__name__] += 1

    await asyncio.gather(*(one_after_the_other() for _ in range(SIDE_BY_SIDE)))
    return ", ".join(f"{count:,} x {code}" for code, count in sorted(codes.items()))


def questions(number: int, count: int, size: int) -> JsonObject:
    """New questions, as many and as large as told."""
    params = json.dumps({"message": "x" * size})
    keys = (f"{number}-{each}" for each in range(count))
    return {"questions": [{"key": key, "method": "elicitation/create", "paramsText": params} for key in keys]}


async def uploads(server: AttackedProcess, http: httpx2.AsyncClient) -> None:
    """Two outcomes of one byte each that never end, the second after its task was cancelled."""
    world = server.world
    tasks = [await world.submit() for _ in range(3)]
    first, second, honest = [(await world.runner(task)).at(http) for task in tasks]
    for runner in (first, second, honest):
        await runner.fetch()

    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def upload(runner: GatewayCaller) -> None:
        headers = {"Authorization": f"Bearer {runner.token}"}
        await http.post(OUTCOME_PATH, content=endless(), headers=headers)

    uploading = [asyncio.create_task(upload(runner)) for runner in (first, second)]
    await asyncio.sleep(1)
    await world.cancel(tasks[1])
    codes = Counter[int]()
    for _ in range(5):
        codes[(await honest.deliver(result())).status_code] += 1
        await asyncio.sleep(1.2)
    for each in uploading:
        each.cancel()
    await asyncio.gather(*uploading, return_exceptions=True)
    got = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))
    server.show("two endless outcomes of one byte, the task of one cancelled", f"outcome of another Pod, in 6 s: {got}")


async def ask(server: AttackedProcess, http: httpx2.AsyncClient, count: int, size: int) -> None:
    """New questions again and again."""
    task = await server.world.submit(inputTimeoutSeconds=600)
    runner = (await server.world.runner(task)).at(http)
    await runner.fetch()
    async with written(server, task) as writes:
        got = await looped(
            lambda number: server.world.call("POST", INPUT_PATH, runner.token, questions(number, count, size), http)
        )
    figures = f"{got}; {writes.count} writes, {writes.size / 1e6:.1f} MB into etcd"
    server.show(f"{count} new questions of {size // 1000} kB in a loop, {LOOP_SECONDS:.0f} s", figures)


async def calls(server: AttackedProcess, http: httpx2.AsyncClient) -> None:
    """Assignments, progress and outcomes in a loop, and calls for a task that has ended."""
    world = server.world
    task = await world.submit()
    runner = (await world.runner(task)).at(http)
    for name, call in (
        ("assignment", lambda _: runner.fetch()),
        ("progress", lambda number: runner.report(number, message="x" * 1000)),
        ("outcome", lambda _: runner.deliver(result())),
        ("progress after the end", runner.report),
    ):
        lines = server.log_lines
        async with written(server, task) as writes:
            got = await looped(call, 4)
        figures = f"{got}; {writes.count} writes, {server.log_lines - lines} log lines"
        server.show(f"{name} in a loop, 4 s", figures)


async def polls(server: AttackedProcess, http: httpx2.AsyncClient) -> None:
    """Long polls side by side."""
    task = await server.world.submit(inputTimeoutSeconds=600)
    runner = (await server.world.runner(task)).at(http)
    await runner.fetch()
    await server.world.call("POST", INPUT_PATH, runner.token, questions(1, 1, 10), http)
    path = f"{INPUT_PATH}?seconds=30"
    polling = [asyncio.create_task(server.world.call("GET", path, runner.token, http=http)) for _ in range(POLLS)]
    await asyncio.wait(polling, timeout=4)
    open_ = sum(not each.done() for each in polling)
    for each in polling:
        each.cancel()
    await asyncio.gather(*polling, return_exceptions=True)
    server.show(f"{POLLS} long polls at once", f"{open_} open after 4 s")


async def _attack(table: AttackTable) -> None:
    async with (
        target(table) as server,
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{server.gateway}",
            trust_env=False,
            timeout=30,
            limits=httpx2.Limits(max_connections=None),
        ) as http,
    ):
        before = server.megabytes
        await ask(server, http, 18, 60_000)
        await ask(server, http, 4, 60_000)
        await calls(server, http)
        await polls(server, http)
        await uploads(server, http)
        server.show("all of these together", f"{server.megabytes - before:+d} MB of memory")


def attack(table: AttackTable) -> None:
    """Make them all."""
    asyncio.run(_attack(table))
