"""Attacks with tasks that anybody makes who may, without a server: their values are taken by the API server."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import httpx2

from mcptasks.kube.errors import KubeError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.model.base import API_VERSION, JsonObject
from tests.attacks.table import AttackTable
from tests.attacks.target import AttackedProcess, target
from tests.support.odd_objects import ODD_TASKS

TASKS = 120
WATCHED_SECONDS = 20.0


async def ready(server: AttackedProcess, seconds: float) -> tuple[int, int]:
    """How many looks at `/readyz` found the server ready, and how many did not."""
    good, bad, until = 0, 0, time.monotonic() + seconds
    async with httpx2.AsyncClient(trust_env=False) as http:
        while time.monotonic() < until:
            is_ready = (await http.get(f"http://127.0.0.1:{server.endpoint}/readyz")).status_code == 200
            good, bad = good + is_ready, bad + (not is_ready)
            await asyncio.sleep(0.1)
    return good, bad


async def make(server: AttackedProcess, name: str, parts: dict[str, JsonObject]) -> bool:
    """Make a task with these parts; gives whether the API server has taken them."""
    kube, namespace = server.world.kube, server.world.namespace
    plain: JsonObject = {"component": {"kind": "tool", "name": "report"}, "server": "default"}
    metadata = {key: value for key, value in parts.get("metadata", {}).items() if key in ("labels", "annotations")}
    body: JsonObject = {"apiVersion": API_VERSION, "kind": "McpTask", "metadata": {"name": name, **metadata}}
    with suppress(KubeError):
        await kube.create(MCP_TASKS, body | {"spec": plain | parts.get("spec", {})}, namespace)
        if "status" in parts:
            await kube.patch(MCP_TASKS, name, {"status": parts["status"]}, namespace, subresource="status")
        return True
    return False


async def odd_tasks(server: AttackedProcess) -> None:
    """Make and delete odd tasks, and look whether the server stays ready."""
    many = {"annotations": {f"example.com/a-{number}": "x" * 20_000 for number in range(10)}}
    odd = [*ODD_TASKS.values(), {"metadata": many}, {"spec": {"principal": {"subject": ""}}}]
    lines = server.log_lines
    watching = asyncio.create_task(ready(server, WATCHED_SECONDS))
    made = [f"odd-{number}" for number in range(TASKS) if await make(server, f"odd-{number}", odd[number % len(odd)])]
    for name in made:
        with suppress(KubeError):
            await server.world.kube.delete(MCP_TASKS, name, server.world.namespace)
    good, bad = await watching
    plain = await server.world.submit()
    figures = f"ready at {good} of {good + bad} looks; {server.log_lines - lines} log lines"
    server.show(f"{len(made)} odd tasks are made and deleted", figures, held=bad == 0 and bool(plain))


async def _attack(table: AttackTable) -> None:
    async with target(table) as server:
        await odd_tasks(server)


def attack(table: AttackTable) -> None:
    """Make them all."""
    asyncio.run(_attack(table))
