"""Tasks that are about to end, and what is left of them."""

from __future__ import annotations

from typing import Any

import psutil

from mcptasks.kube.kinds import Resource
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from tests.integration.operator.harness import OperatorWorld, python

STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)"
)

NODES = Resource("", "v1", "nodes", namespaced=False)


async def start(world: OperatorWorld, program: str, **spec: Any) -> tuple[str, int]:
    """A task whose process runs and has claimed it; its name and process id."""
    await world.template(python(program))
    name = await world.submit(**spec)
    pod = await world.running(name)
    await world.claim(name)
    processes = world.cluster.call(world.cluster.cluster.processes)
    return name, processes[f"{pod['metadata']['uid']}/runner"]


def message_of(task: McpTask) -> str:
    return task.status.message or ""


async def assert_nothing_is_left(world: OperatorWorld, name: str, pid: int) -> None:
    assert not psutil.pid_exists(pid)
    assert await world.job(name) is None
    assert await world.pods(name) == []


async def fail(world: OperatorWorld, spec: JsonObject, **task: Any) -> McpTask:
    """A task whose template has this spec, once it has ended and left nothing behind."""
    await world.template(spec)
    name = await world.submit(**task)
    done = await world.terminated(name)
    assert done.phase == "failed"
    return done
