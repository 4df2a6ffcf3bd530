"""A server with authentication by settings, over the whole product: who calls is known in the task and in its Job."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pytest

from mcptasks.client import Client, ClientError
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.protocol.versions import ProtocolChoice
from tests.support.issuer import AUDIENCE, ISSUER, KeyPair, issuing
from tests.support.kubectl import Kubectl
from tests.support.mcp import NEW, OLD

KEY = KeyPair.ec("one")
BOT = "robot-token-0123456789"

SERVER = """
from mcptasks import TaskConfig, TaskServer
from mcptasks.authoring.dependencies import CurrentAccessToken, TokenClaim

mcp = TaskServer("whoami", tasks=TaskConfig(poll_interval=0.2))

@mcp.tool()
def whoami(claim: str = TokenClaim("sub"), caller = CurrentAccessToken()) -> str:
    return f"{caller.subject} {claim} {' '.join(caller.scopes)}"
"""


@dataclass(frozen=True)
class Guarded:
    """The running product."""

    url: str
    kubectl: Kubectl


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("auth")
    (folder / "server.py").write_text(SERVER)
    (folder / "tokens").write_text(f"robot: {BOT}\n")
    with issuing(KEY) as issuer:
        settings = {
            "MCPTASKS_AUTH_ISSUER": ISSUER,
            "MCPTASKS_AUTH_AUDIENCE": AUDIENCE,
            "MCPTASKS_AUTH_JWKS_URL": issuer.url,
            "MCPTASKS_AUTH_REQUIRED_SCOPES": "tasks",
            "MCPTASKS_AUTH_TOKENS": str(folder / "tokens"),
        }
        with LocalStack(StackConfig(str(folder / "server.py"), settings=settings)) as stack:
            yield Guarded(stack.endpoint, Kubectl(stack.kubeconfig, stack.namespace))


def call(guarded: Guarded, token: str | None) -> subprocess.CompletedProcess[str]:
    """`mcptasks call` with the token in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MCPTASKS_")}
    if token is not None:
        environment["MCPTASKS_TOKEN"] = token
    command = [sys.executable, "-m", "mcptasks", "call", guarded.url, "whoami"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize(
    ("token", "answer"),
    [(KEY.token("alice", scope="tasks mail"), "alice alice tasks mail"), (BOT, "robot robot tasks")],
    ids=["issuer", "handed out"],
)
def test_a_job_knows_who_called(guarded: Guarded, token: str, answer: str) -> None:
    done = call(guarded, token)
    assert (done.returncode, done.stdout.strip()) == (0, answer), done.stderr
    assert token not in guarded.kubectl.run("get", "mcptasks,jobs,pods", "-o", "yaml")


@pytest.mark.parametrize("version", [OLD, NEW])
def test_tasks_of_either_version_are_their_callers_own(guarded: Guarded, version: str) -> None:
    alice, bob = (KEY.token(name, scope="tasks") for name in ("alice", "bob"))

    async def run() -> None:
        protocol = cast(ProtocolChoice, version)
        async with (
            Client(guarded.url, token=alice, protocol=protocol) as hers,
            Client(guarded.url, token=bob, protocol=protocol) as his,
        ):
            task = await hers.call_tool("whoami", task=True)
            with pytest.raises(ClientError, match="not found"):
                await his.resume(task.task_id).status()
            assert (await task.result()).text == "alice alice tasks"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("token", "hint"),
    [
        (None, "HTTP 401): it wants a token"),
        ("nonsense", "HTTP 401): give a valid one with --token"),
        (KEY.token(scope="mail"), "HTTP 403): Required scope: tasks"),
    ],
    ids=["none", "nonsense", "scope"],
)
def test_all_others_are_told_what_is_missing(guarded: Guarded, token: str | None, hint: str) -> None:
    done = call(guarded, token)
    assert done.returncode != 0
    assert hint in done.stderr
