"""The real runner with the real gateway: `mcptasks run` as a process of its own, forked where it has been imported."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import anyio
import anyio.to_thread
import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask, Phase
from mcptasks.settings import Settings
from tests.integration.gateway.harness import GatewayWorld
from tests.support.fork_server import ForkedProcess, ForkServer
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio

MODULE = dedent("""
    import time
    from pathlib import Path
    from mcptasks import TaskServer, progress

    mcp = TaskServer("tools")

    @mcp.tool()
    def report(until: str = "") -> dict[str, float]:
        for number in range(1, 10_000):
            progress(number, message="at work")
            if not until or Path(until).exists():
                break
            time.sleep(0.02)
        return {"one": 1.0}
""")

RUN = """
import sys
from mcptasks.cli import main
sys.argv = ["mcptasks", "run"]
main()
"""

END_SECONDS = 60.0


@dataclass
class Files:
    folder: Path
    forks: ForkServer

    def prepare(self, token: str) -> dict[str, str]:
        """Write token and module; gives the environment."""
        (self.folder / "token").write_text(token)
        (self.folder / "tools.py").write_text(MODULE)
        return {
            "MCPTASKS_TOKEN_FILE": str(self.folder / "token"),
            "MCPTASKS_MODULE": str(self.folder / "tools.py"),
        }

    @property
    def go(self) -> Path:
        return self.folder / "go"


@pytest.fixture
def files(tmp_path: Path, forks: ForkServer) -> Files:
    return Files(tmp_path, forks)


@asynccontextmanager
async def running(world: GatewayWorld, task: JsonObject, files: Files, url: str) -> AsyncIterator[ForkedProcess]:
    """The runner in a new Pod of the task."""
    environment = files.prepare(await world.token(await world.pod(task)))
    process = files.forks.start(RUN, files.folder, {**os.environ, **environment, "MCPTASKS_GATEWAY_URL": url})
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.close()


async def ended(process: ForkedProcess) -> tuple[int, str]:
    """Exit code and log."""
    with anyio.fail_after(END_SECONDS):
        out, err = await anyio.to_thread.run_sync(process.communicate, END_SECONDS, abandon_on_cancel=True)
    return process.wait(0), out + err


async def at_work(world: GatewayWorld, task: JsonObject) -> McpTask:
    return await world.until(task, lambda known: known.status.progress is not None)


async def test_a_task_runs_and_its_result_arrives_unchanged(world: GatewayWorld, files: Files) -> None:
    task = await world.submit()
    async with world.served(Settings()) as url, running(world, task, files, url) as process:
        code, log = await ended(process)
    known = await world.task(task)
    assert (code, known.phase) == (0, Phase.COMPLETED), log
    assert known.status.result is not None
    assert '"structuredContent":{"one":1.0}' in (known.status.result.text or "")
    assert known.status.progress is not None
    assert known.status.progress.message == "at work"
    assert f"[{known.name}] the outcome is recorded" in log


async def test_a_gateway_that_restarts_while_the_tool_runs_loses_nothing(world: GatewayWorld, files: Files) -> None:
    task = await world.submit(arguments={"until": str(files.go)})
    settings, port = Settings(progress_interval_seconds=0.1), free_port()
    async with AsyncExitStack() as first:
        url = await first.enter_async_context(world.served(settings, port))
        async with running(world, task, files, url) as process:
            before = await at_work(world, task)
            await first.aclose()
            files.go.touch()
            async with world.served(settings, port):
                code, log = await ended(process)
    known = await world.task(task)
    assert (code, known.phase, known.status.attempts) == (0, Phase.COMPLETED, 1), log
    assert known.status.started_at == before.status.started_at


async def test_a_task_that_is_cancelled_ends_its_tool_by_the_next_report(world: GatewayWorld, files: Files) -> None:
    task = await world.submit(arguments={"until": str(files.go)})
    settings = Settings(progress_interval_seconds=0.1)
    async with world.served(settings) as url, running(world, task, files, url) as process:
        await at_work(world, task)
        await world.cancel(task)
        code, log = await ended(process)
    assert (code, (await world.task(task)).phase) == (0, Phase.CANCELLED), log
    assert "the tool was ended, because the task is over" in log
