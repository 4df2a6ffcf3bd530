"""The operator as a process: what it says and how it ends when something is wrong, and its health endpoint."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
import pytest

from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.kinds import CRDS
from mcptasks.model.cel_rules import CEL_RULES
from mcptasks.model.crds import custom_resource_definitions
from mcptasks_embedded.cluster import ClusterConfig
from mcptasks_embedded.cluster_thread import EmbeddedClusterThread
from tests.integration.operator.harness import SLEEPER, OperatorWorld, python
from tests.support.polling import eventually_async
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio


class Process:
    """`python -m mcptasks_operator` with its standard error."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def logs(self, text: str) -> None:
        async def look() -> bool:
            assert self._process.returncode is None, self.log
            return text in self.log

        await eventually_async(f"it logs {text!r}", look)

    async def end(self, number: signal.Signals | None = None) -> int:
        """Wait for its end, after a signal where one is given; its exit code."""
        if number is not None:
            self._process.send_signal(number)
        async with asyncio.timeout(60):
            return await self._process.wait()


@asynccontextmanager
async def process(tmp_path: Path, **settings: object) -> AsyncIterator[Process]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MCPTASKS_LIVENESS_PORT": "0"}
    environment |= {f"MCPTASKS_{name.upper()}": str(value) for name, value in settings.items()}
    log = tmp_path / "operator.log"
    with log.open("a") as stderr:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mcptasks_operator", env=environment, stderr=stderr, cwd=tmp_path
        )
    try:
        yield Process(child, log)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield int(sock.getsockname()[1])


async def test_a_missing_kubeconfig_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    async with process(tmp_path, kubeconfig=tmp_path / "nowhere") as operator:
        assert await operator.end() == 2
        (line,) = operator.log.splitlines()
        assert "nowhere does not exist" in line


@pytest.mark.long
async def test_a_port_in_use_is_one_line_and_exit_code_2(world: OperatorWorld, tmp_path: Path) -> None:
    with taken_port() as port:
        async with process(tmp_path, kubeconfig=world.cluster.kubeconfig, liveness_port=port) as operator:
            assert await operator.end() == 2
            (line,) = operator.log.splitlines()
            assert f"127.0.0.1:{port}" in line
            assert "MCPTASKS_LIVENESS_PORT" in line


@pytest.mark.long
async def test_lease_times_that_do_not_fit_are_refused(world: OperatorWorld, tmp_path: Path) -> None:
    async with process(tmp_path, kubeconfig=world.cluster.kubeconfig, lease_seconds=5) as operator:
        assert await operator.end() == 2
        assert "MCPTASKS_LEASE_SECONDS" in operator.log


@pytest.mark.long
async def test_an_api_server_that_is_away_at_start_is_waited_for(tmp_path: Path, world: OperatorWorld) -> None:
    port = free_port()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(world.cluster.kubeconfig.read_text().replace(world.cluster.url, f"https://127.0.0.1:{port}"))
    async with process(tmp_path, kubeconfig=kubeconfig) as operator:
        await operator.logs(f"cannot reach the API server at https://127.0.0.1:{port}")
        await operator.logs("trying again")
        assert await operator.end(signal.SIGTERM) == 0


@pytest.mark.long
async def test_missing_crds_are_named_and_waited_for(tmp_path: Path) -> None:
    with EmbeddedClusterThread(ClusterConfig(rules=CEL_RULES)) as bare:
        async with process(tmp_path, kubeconfig=bare.kubeconfig) as operator:
            await operator.logs("missing CRDs: mcptasks.mcptasks.dev, mcptasktemplates.mcptasks.dev")
            await operator.logs("kubectl apply")
            async with await ClusterAccess(bare.kubeconfig).connect("test") as kube:
                for crd in custom_resource_definitions():
                    await kube.create(CRDS, crd)
            await operator.logs("leading in default")
            assert await operator.end(signal.SIGINT) == 0


@pytest.mark.long
async def test_sigterm_while_it_leads_is_a_clean_stop_that_leaves_tasks_alone(
    world: OperatorWorld, tmp_path: Path
) -> None:
    await world.template(python(SLEEPER))
    async with process(tmp_path, kubeconfig=world.cluster.kubeconfig, namespace=world.namespace) as operator:
        name = await world.submit()
        await world.running(name)
        assert await operator.end(signal.SIGTERM) == 0
    assert "Traceback" not in operator.log
    assert not (await world.task(name)).terminal
    assert await world.job(name) is not None


async def test_sigkill_loses_nothing(world: OperatorWorld, tmp_path: Path) -> None:
    await world.template(python(SLEEPER))
    settings = {
        "kubeconfig": world.cluster.kubeconfig,
        "namespace": world.namespace,
        "lease_seconds": 8,
        "lease_renew_seconds": 6,
        "lease_retry_seconds": 0.5,
    }
    async with process(tmp_path, **settings) as operator:
        name = await world.submit()
        await world.running(name)
        assert await operator.end(signal.SIGKILL) == -signal.SIGKILL
    await world.claim(name)
    await world.cancel(name)
    async with process(tmp_path, **settings):
        task = await world.terminated(name)
        assert task.phase == "cancelled"
        assert await world.job(name) is None


@pytest.mark.long
async def test_the_health_endpoint_answers_while_it_waits_stands_by_and_leads(
    world: OperatorWorld, tmp_path: Path
) -> None:
    port = free_port()
    settings = {"kubeconfig": world.cluster.kubeconfig, "namespace": world.namespace}
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    async with (
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
        process(tmp_path / "first", **settings) as leader,
    ):
        await leader.logs("leading in")
        async with process(tmp_path / "second", **settings, liveness_port=port) as standby:
            await standby.logs("standing by")
            for path in ("/healthz", "/readyz"):
                answer = await http.get(path)
                assert (answer.status_code, answer.text.split(",")[0].strip()) == (200, "standby")
            assert await leader.end(signal.SIGTERM) == 0
            await standby.logs("leading in")
            assert (await http.get("/readyz")).text == "leading\n"
            assert (await http.get("/healthz")).status_code == 200
