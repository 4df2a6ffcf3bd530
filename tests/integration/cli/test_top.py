"""`mcptasks top` on a cluster that has tasks and nobody who runs them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.cel_rules import CEL_RULES
from mcptasks.model.crds import custom_resource_definitions
from mcptasks_embedded.cluster import ClusterConfig
from mcptasks_embedded.cluster_thread import EmbeddedClusterThread
from tests.integration.cli.terminal import SECOND_SCREEN, on_terminal
from tests.support.command_line import Cli
from tests.support.kubectl import Kubectl

API_VERSION = "mcptasks.dev/v1alpha1"
ESCAPE = "\x1b[2Jerased"


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedClusterThread]:
    with EmbeddedClusterThread(ClusterConfig(crds=custom_resource_definitions(), rules=CEL_RULES)) as started:
        yield started


@pytest.fixture(scope="module")
def kubectl(cluster: EmbeddedClusterThread) -> Kubectl:
    """A cluster with a pool, a task that runs, one that waits and one that has failed."""
    kubectl = Kubectl(cluster.kubeconfig, "default")
    template = {"apiVersion": API_VERSION, "kind": "McpTaskTemplate", "metadata": {"name": "warm"}}
    kubectl.apply({**template, "spec": {"executor": "Warm"}}, *map(task, ("runs", "waits", "breaks")))
    write(kubectl, "mcptasktemplate", "warm", readyWorkers=2, busyWorkers=1, wantedWorkers=2)
    started = {"phase": "working", "reason": "Running", "startedAt": "2026-01-01T00:00:00Z"}
    write(kubectl, "mcptask", "runs", **started, progress={"current": 1, "total": 4, "message": ESCAPE})
    write(kubectl, "mcptask", "breaks", phase="failed", reason="OOMKilled", message="too large")
    return kubectl


def task(name: str) -> JsonObject:
    spec = {"component": {"name": "report"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "McpTask",
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": spec,
    }


def write(kubectl: Kubectl, kind: str, name: str, **status: object) -> None:
    kubectl.run("patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


@dataclass
class Link:
    """Leads to the cluster's API server, and can be cut."""

    cluster: EmbeddedClusterThread
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def mend(self) -> None:
        self.cluster.run(self._listen())

    def cut(self) -> None:
        """As when the API server is gone: connections break, and new ones are refused."""
        self.cluster.run(self._close())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = urlsplit(self.cluster.url)
        there, back = await asyncio.open_connection(address.hostname, address.port)
        self._open |= {writer, back}
        await asyncio.gather(_copied(reader, back), _copied(there, writer))
        self._open -= {writer, back}


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
def link(cluster: EmbeddedClusterThread) -> Iterator[Link]:
    made = Link(cluster)
    made.mend()
    yield made
    made.cut()


@pytest.fixture
def kubeconfig(cluster: EmbeddedClusterThread, link: Link, tmp_path: Path) -> Path:
    """A kubeconfig for the cluster behind the link."""
    config = json.loads(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{link.port}"
    (tmp_path / "config").write_text(json.dumps(config))
    return tmp_path / "config"


def test_what_is_not_a_terminal_gets_one_frame(cli: Cli, kubectl: Kubectl) -> None:
    done = cli("top", "--kubeconfig", str(kubectl.kubeconfig))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()[7:]] == ["runs", "waits", "breaks"]
    assert "━━━─────────  25% ^[[2Jerased" in done.stdout
    assert "warm  ●○           2     1       2        0" in done.stdout


def test_programs_get_json(cli: Cli, kubectl: Kubectl) -> None:
    words = ("--kubeconfig", str(kubectl.kubeconfig), "-o", "json")
    found = json.loads(cli("top", *words, "-A", "--phase", "failed").stdout)
    assert [(each["namespace"], each["name"], each["reason"]) for each in found["tasks"]] == [
        ("default", "breaks", "OOMKilled")
    ]
    assert (found["states"]["running"], found["pools"][0]["busy"]) == (1, 1)
    labelled = json.loads(cli("top", *words, "-l", "name=waits").stdout)
    assert [each["name"] for each in labelled["tasks"]] == ["waits"]
    elsewhere = json.loads(cli("top", *words, "-n", "kube-system").stdout)
    assert (elsewhere["tasks"], elsewhere["pools"]) == ([], [])


def test_a_cluster_that_is_down_is_an_error_and_no_screen(kubeconfig: Path, link: Link) -> None:
    link.cut()
    with on_terminal("top", "--kubeconfig", str(kubeconfig)) as terminal:
        assert terminal.end() == 1
        assert b"cannot reach the API server" in terminal.sent
        assert SECOND_SCREEN not in terminal.sent


def test_the_view_follows_changes_takes_keys_and_leaves_the_terminal_as_it_was(kubectl: Kubectl) -> None:
    with on_terminal("top", "--kubeconfig", str(kubectl.kubeconfig), "--phase", "working") as terminal:
        frame = terminal.frame("^waits .* waiting ")
        assert frame.index("\nruns ") < frame.index("\nwaits ")
        assert "\nbreaks " not in frame
        kubectl.apply(task("arrives"))
        terminal.frame("^arrives .* waiting ")
        kubectl.run("delete", "mcptask", "arrives")
        terminal.forget()
        terminal.frame(r"1 waiting(?s:(?!arrives).)*q quit")
        terminal.press(b"s")
        terminal.frame("sort: age")
        terminal.resize(60, 20)
        assert max(map(len, terminal.frame(r"\A.{60}\n(?s:.)*q quit").splitlines())) == 60
        terminal.press(b"q")
        assert terminal.end() == 0
        assert terminal.is_restored


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_whoever_ends_it_leaves_the_terminal_as_it_was(kubectl: Kubectl, number: signal.Signals, code: int) -> None:
    with on_terminal("top", "--kubeconfig", str(kubectl.kubeconfig)) as terminal:
        terminal.frame("^waits ")
        os.kill(terminal.process.pid, number)
        assert terminal.end() == code
        assert terminal.is_restored


def test_a_restart_of_the_api_server_is_named_and_lived_through(kubectl: Kubectl, kubeconfig: Path, link: Link) -> None:
    with on_terminal("top", "--kubeconfig", str(kubeconfig)) as terminal:
        terminal.frame("^waits ")
        link.cut()
        assert "\nwaits " in terminal.frame("reconnecting, as of ")
        kubectl.apply(task("meanwhile"))
        link.mend()
        assert "reconnecting" not in terminal.frame("^meanwhile ")
        terminal.press(b"q")
        assert terminal.end() == 0
    assert b"Traceback" not in terminal.sent
    assert b"watch of" not in terminal.sent
    kubectl.run("delete", "mcptask", "meanwhile")
