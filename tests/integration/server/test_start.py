"""Starting the server: what it needs, and what it says where that is not there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.support.mcp import RawClient
from tests.support.polling import eventually
from tests.support.ports import free_port

TOOLS = Path(__file__).parents[2] / "e2e" / "tools.py"

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:%d"}}]
contexts: [{name: c, context: {cluster: c, user: u, namespace: tasks}}]
users: [{name: u, user: {}}]
current-context: c
"""


@contextmanager
def server(**settings: str) -> Iterator[subprocess.Popen[str]]:
    """`mcptasks serve` as a process; ended with SIGTERM if it still runs."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MCPTASKS_")}
    own = {f"MCPTASKS_{key.upper()}": value for key, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "mcptasks", "serve"],
        env=environment | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """A kubeconfig of a cluster that does not answer."""
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG % free_port())
    return str(path)


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "name the server to run"),
        ({"module": "nowhere.py"}, "there is no file nowhere.py"),
        ({"module": str(TOOLS), "kubeconfig": "/no/such/kubeconfig"}, "kubeconfig /no/such/kubeconfig does not exist"),
        ({"module": str(TOOLS), "redis_url": "http://redis"}, "MCPTASKS_REDIS_URL is not the URL of a Redis"),
        ({"module": str(TOOLS), "port": "eighty"}, "MCPTASKS_PORT"),
        ({"module": str(TOOLS), "auth_tokens": "/no/such/tokens"}, "MCPTASKS_AUTH_TOKENS: /no/such/tokens cannot be"),
        ({"module": str(TOOLS), "auth_issuer": "https://issuer"}, "set MCPTASKS_AUTH_AUDIENCE too"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_a_line(settings: dict[str, str], message: str, nowhere: str) -> None:
    with server(**{"kubeconfig": nowhere, "port": "0", "gateway_port": "0", **settings}) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert message in output
    assert "Traceback" not in output


PROGRAM_WITH_A_VERIFIER = """
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcptasks import TaskServer

class Verifier:
    async def verify_token(self, token):
        return None

auth = AuthSettings.model_validate({"issuer_url": "https://issuer.example", "resource_server_url": None})
mcp = TaskServer("own", token_verifier=Verifier(), auth=auth)
"""


@pytest.mark.long
def test_a_program_with_a_verifier_of_its_own_is_not_started_with_settings_for_another(
    nowhere: str, tmp_path: Path
) -> None:
    program, tokens = tmp_path / "own.py", tmp_path / "tokens"
    program.write_text(PROGRAM_WITH_A_VERIFIER)
    tokens.write_text("alice: 0123456789abcdef")
    own = {"module": str(program), "auth_tokens": str(tokens)}
    with server(kubeconfig=nowhere, port="0", gateway_port="0", **own) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "the server program verifies tokens itself" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("setting", ["port", "gateway_port"])
def test_a_port_in_use_is_named_with_the_way_out(setting: str, nowhere: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {"module": str(TOOLS), "kubeconfig": nowhere, "port": "0", "gateway_port": "0", setting: port}
        with server(**settings) as process:
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"port {port}" in output
    assert f"MCPTASKS_{setting.upper()}" in output


def test_without_a_cluster_the_server_is_up_but_not_ready_and_says_so(nowhere: str) -> None:
    port = free_port()
    settings = {"module": str(TOOLS), "kubeconfig": nowhere, "port": str(port), "gateway_port": "0"}
    base = f"http://127.0.0.1:{port}"

    with server(**settings) as process:
        eventually("the server is up", lambda: answers(port))
        ready = httpx2.get(f"{base}/readyz")
        assert (ready.status_code, ready.json()) == (503, {"status": "waiting for the Kubernetes API"})
        client = RawClient(f"{base}/mcp")
        assert client.old("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}).result["isError"] is False
        error = client.old("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}, "task": {}}).error
        assert error["code"] == -32603
        assert "cluster is unavailable" in error["message"]
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "cannot reach the API server at http://127.0.0.1:" in output


CHOICES = """
from mcptasks import TaskConfig, TaskServer

mcp = TaskServer("choices", tasks=True)
mcp.tool(name="left_open")(lambda: 1)
mcp.tool(name="chosen", task=TaskConfig(without_tasks="inline"))(lambda: 1)
mcp.prompt(name="asked")(lambda: "x")
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("task_tools", "named"), [("false", "tool 'left_open', prompt 'asked'"), ("true", "prompt 'asked'")]
)
def test_what_runs_in_the_server_for_clients_without_tasks_is_named(
    nowhere: str, tmp_path: Path, task_tools: str, named: str
) -> None:
    (tmp_path / "choices.py").write_text(CHOICES)
    port = free_port()
    settings = {"module": str(tmp_path / "choices.py"), "kubeconfig": nowhere, "port": str(port), "gateway_port": "0"}
    settings["alowed_hosts"] = "example.org"
    with server(**settings, task_tools=task_tools) as process:
        eventually("the server is up", lambda: answers(port))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert f"where nothing can kill them: {named}. Choose with TaskConfig(without_tasks=...)" in output
    assert "chosen" not in output.replace(str(tmp_path), "")
    assert "MCPTASKS_ALOWED_HOSTS is no setting and changes nothing: did you mean MCPTASKS_ALLOWED_HOSTS?" in output


def answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx2.TransportError:
        return False
