"""A server to attack: the real process on loopback, over an embedded cluster, with few file descriptors."""

from __future__ import annotations

import asyncio
import os
import resource
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import psutil

from mcptasks.authoring.module_digest import module_digest
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.kinds import NAMESPACES
from mcptasks.model.cel_rules import CEL_RULES
from mcptasks.model.crds import custom_resource_definitions
from mcptasks_embedded.cluster import ClusterConfig
from mcptasks_embedded.cluster_thread import EmbeddedClusterThread
from tests.attacks.table import AttackRow, AttackTable
from tests.integration.gateway.harness import GatewayWorld
from tests.support.ports import free_port

DESCRIPTORS = 1024
NAMESPACE = "attacked"
READY_SECONDS = 180.0
MODULE = """
from mcptasks import TaskServer

mcp = TaskServer("attacked")
"""


@dataclass(frozen=True)
class AttackedProcess:
    """One server: its ports, its process and its log; `world` makes tasks and Pods with their tokens."""

    world: GatewayWorld
    table: AttackTable
    endpoint: int
    gateway: int
    health: int
    process: psutil.Process
    log: Path
    module_digest: str

    @property
    def ports(self) -> dict[str, int]:
        return {"endpoint": self.endpoint, "gateway": self.gateway, "health": self.health}

    def show(self, attack: str, figures: str, held: bool | None = None) -> None:
        """Add a row."""
        self.table.add(AttackRow(attack, figures, held))

    @property
    def megabytes(self) -> int:
        """Resident memory of the process."""
        return int(self.process.memory_info().rss // 2**20)

    @property
    def log_lines(self) -> int:
        return self.log.read_bytes().count(b"\n")

    async def health_of(self, port: int, seconds: float = 5.0) -> str:
        """Status and time of `/healthz` over a new connection, or why there was no answer."""
        begun = asyncio.get_running_loop().time()
        try:
            async with httpx2.AsyncClient(trust_env=False, timeout=seconds) as http:
                answer = await http.get(f"http://127.0.0.1:{port}/healthz")
        except httpx2.HTTPError as error:
            return type(error).__name__
        return f"{answer.status_code} in {asyncio.get_running_loop().time() - begun:.2f} s"


@asynccontextmanager
async def target(table: AttackTable, descriptors: int = DESCRIPTORS) -> AsyncIterator[AttackedProcess]:
    """Start it, and end it with all that was made."""
    endpoint, gateway, health = (free_port() for _ in range(3))
    with (
        TemporaryDirectory(prefix="mcptasks-attack-") as folder,
        EmbeddedClusterThread(ClusterConfig(crds=custom_resource_definitions(), rules=CEL_RULES)) as cluster,
    ):
        module, log = _files(Path(folder))
        own = {
            "KUBECONFIG": cluster.kubeconfig,
            "NAMESPACE": NAMESPACE,
            "MODULE": module,
            "PORT": endpoint,
            "GATEWAY_PORT": gateway,
            "HEALTH_PORT": health,
            # No result is stored there: it makes the gateway take large ones.
            "REDIS_URL": "redis://127.0.0.1:1",
        }
        environment = os.environ | {f"MCPTASKS_{name}": str(value) for name, value in own.items()}
        command = f"ulimit -n {descriptors}; exec {shlex.join([sys.executable, '-m', 'mcptasks', 'serve'])}"
        async with await ClusterAccess(cluster.kubeconfig).connect("attack") as kube:
            await kube.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
            process = await asyncio.create_subprocess_exec("sh", "-c", f"{command} >{log} 2>&1", env=environment)
            try:
                found = AttackedProcess(
                    GatewayWorld(kube, cluster, NAMESPACE),
                    table,
                    endpoint,
                    gateway,
                    health,
                    psutil.Process(process.pid),
                    log,
                    module_digest(str(module)),
                )
                await _ready(found)
                yield found
            finally:
                process.kill()
                await process.wait()


def _files(folder: Path) -> tuple[Path, Path]:
    """The server's module and its log, which is empty."""
    module, log = folder / "attacked.py", folder / "log"
    module.write_text(MODULE)
    log.touch()
    return module, log


async def _ready(server: AttackedProcess) -> None:
    async with asyncio.timeout(READY_SECONDS), httpx2.AsyncClient(trust_env=False) as http:
        while True:
            with suppress(httpx2.HTTPError):
                if (await http.get(f"http://127.0.0.1:{server.endpoint}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.1)


def room_for_sockets() -> None:
    """Let this process, which attacks, have as many sockets as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
