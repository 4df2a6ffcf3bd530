"""Attacks of a worker's Pod, whose token the code of its tasks can read."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2

from mcptasks.gateway.contract import ASSIGNMENT_PATH, OUTCOME_PATH, PROGRESS_PATH, WORK_PATH
from mcptasks.model.base import JsonObject
from tests.attacks.pod import looped
from tests.attacks.table import AttackTable
from tests.attacks.target import AttackedProcess, target
from tests.integration.gateway.harness import result
from tests.integration.gateway.worker_harness import PlayedWorker, make_worker, named_headers, warm_task, warm_template

LOOP_SECONDS = 6.0
STREAMS = 2000
UNKNOWN = "8c1f6c1e-0000-4000-8000-"


def forged(number: int) -> JsonObject:
    return {"taskId": f"none-{number}", "uid": f"{UNKNOWN}{number:012}", "attempt": 1 + number % 7}


@asynccontextmanager
async def honest(server: AttackedProcess, worker: PlayedWorker, module: str) -> AsyncIterator[list[float]]:
    """Another worker of the template that answers each task at once; gives how long each of them took."""
    took: list[float] = []
    headers = {"Authorization": f"Bearer {worker.token}"}

    async def work(http: httpx2.AsyncClient) -> None:
        async with http.stream("GET", f"{WORK_PATH}?module={module}", headers=headers) as orders:
            async for line in orders.aiter_lines():
                order = json.loads(line)
                if order["kind"] == "run":
                    run = order["assignment"]
                    await http.post(OUTCOME_PATH, json=result(), headers=named_headers(worker.token, run))

    async def tasks() -> None:
        while True:
            begun = time.monotonic()
            task = await warm_task(server.world)
            await server.world.until(task, lambda found: found.terminal)
            took.append(time.monotonic() - begun)

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.gateway}", trust_env=False, timeout=60) as http:
        running = [asyncio.create_task(work(http)), asyncio.create_task(tasks())]
        try:
            yield took
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def calls(server: AttackedProcess, worker: PlayedWorker, http: httpx2.AsyncClient) -> None:
    """Calls about any attempts."""
    for name, method, path, body in (
        ("assignments", "GET", ASSIGNMENT_PATH, None),
        ("progress", "POST", PROGRESS_PATH, {"current": 1}),
        ("outcomes", "POST", OUTCOME_PATH, result()),
    ):
        lines = server.log_lines

        async def call(
            number: int, at: str = path, how: str = method, what: JsonObject | None = body
        ) -> httpx2.Response:
            return await http.request(how, at, json=what, headers=named_headers(worker.token, forged(number)))

        got = await looped(call, LOOP_SECONDS)
        server.show(
            f"{name} of any attempts in a loop, {LOOP_SECONDS:.0f} s", f"{got}; {server.log_lines - lines} log lines"
        )


async def streams(server: AttackedProcess, worker: PlayedWorker, http: httpx2.AsyncClient) -> None:
    """Order streams in a loop, each naming what nobody knows, and none of them read."""
    memory, codes = server.megabytes, Counter[int]()
    holds = ",".join(f"{UNKNOWN}{number:012}:1" for number in range(400))
    headers = {"Authorization": f"Bearer {worker.token}"}

    async def connect(_: int) -> None:
        with suppress(httpx2.HTTPError, TimeoutError):
            async with asyncio.timeout(20), http.stream("GET", f"{WORK_PATH}?holds={holds}", headers=headers) as answer:
                codes[answer.status_code] += 1
                if answer.status_code == 200:
                    await asyncio.sleep(3)

    for begin in range(0, STREAMS, 100):
        await asyncio.gather(*(connect(number) for number in range(begin, begin + 100)))
    got = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))
    server.show(
        f"{STREAMS} order streams, each naming 400 unknown attempts, unread",
        f"{got}; {server.megabytes - memory:+d} MB",
    )


async def _attack(table: AttackTable) -> None:
    async with (
        target(table) as server,
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{server.gateway}",
            trust_env=False,
            timeout=60,
            limits=httpx2.Limits(max_connections=None),
        ) as http,
    ):
        template = await warm_template(server.world)
        attacker, other = await make_worker(server.world, template), await make_worker(server.world, template)
        async with honest(server, other, server.module_digest) as took:
            await calls(server, attacker, http)
            await streams(server, attacker, http)
        longest = f"{len(took)} ended, the slowest after {max(took, default=0):.1f} s"
        server.show("another worker's tasks during all of that", longest, held=bool(took))


def attack(table: AttackTable) -> None:
    """Make them all."""
    asyncio.run(_attack(table))
