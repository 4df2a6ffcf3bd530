"""Release 0.1.0 and today's beside each other, as they are while an installation is upgraded; docs/stability.md."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mcptasks.client import Client, TaskCancelledError
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.dev.supervisor import ProcessSpec
from mcptasks.protocol.versions import ProtocolChoice
from tests.integration.skew.earlier_release import EarlierRelease, NoHistoryError, commit_of_0_1_0, unpack
from tests.support.kubectl import Kubectl
from tests.support.polling import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.long]

TOOLS = Path(__file__).with_name("tools.py")
SECONDS = 120.0


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> EarlierRelease:
    """The sources of 0.1.0."""
    try:
        return unpack(commit_of_0_1_0(), tmp_path_factory.mktemp("earlier"))
    except NoHistoryError as error:
        # As in an archive of the sources, where nothing but the present is to be had.
        pytest.skip(str(error))


def as_earlier(stack: LocalStack, name: str, earlier: EarlierRelease) -> None:
    """Let a component, and the Pods that it starts, be of the earlier release from its next start on."""
    spec = stack.supervisor.spec(name)
    runner = ["env", f"PYTHONPATH={earlier.python_path}", sys.executable, "-P", "-m", "mcptasks", "run"]
    own = {"PYTHONPATH": earlier.python_path}
    if "MCPTASKS_RUNNER_COMMAND" in spec.environment:
        own["MCPTASKS_RUNNER_COMMAND"] = shlex.join(runner)
    # It does not know what came later.
    known = {key: value for key, value in spec.environment.items() if key != "MCPTASKS_WORKER_COMMAND"}
    stack.supervisor.add(replace(spec, arguments=spec.arguments[:1], environment={**known, **own}))


@dataclass(frozen=True)
class MixedInstallation:
    """A cluster with today's custom resources, and components of two releases."""

    stack: LocalStack
    today: dict[str, ProcessSpec]
    """The components that are of the earlier release at first."""

    def upgrade(self, name: str) -> None:
        """Replace a component by today's."""
        self.stack.stop(name)
        self.stack.supervisor.add(self.today[name])
        self.stack.start(name)


@contextmanager
def installed(earlier: EarlierRelease, *names: str) -> Iterator[MixedInstallation]:
    """An installation whose components of these names are of the earlier release."""
    stack = LocalStack(StackConfig(str(TOOLS)))
    stack.open(start=False)
    try:
        today = {name: stack.supervisor.spec(name) for name in names}
        for name in names:
            as_earlier(stack, name, earlier)
        stack.start_all()
        yield MixedInstallation(stack, today)
    finally:
        stack.close()


@pytest.fixture(scope="module", params=["operator", "server"])
def skewed(request: pytest.FixtureRequest, earlier: EarlierRelease) -> Iterator[LocalStack]:
    """The operator of 0.1.0 with today's server, and the other way round."""
    with installed(earlier, request.param) as installation:
        yield installation.stack


def test_the_earlier_release_is_another_one(earlier: EarlierRelease) -> None:
    assert "Warm" not in (earlier.folder / "server" / "mcptasks" / "cli" / "commands" / "demo.py").read_text()


async def test_a_task_completes(skewed: LocalStack, protocol: ProtocolChoice) -> None:
    async with Client(skewed.endpoint, protocol=protocol) as client:
        task = await client.call_tool("add", {"a": 2, "b": 3}, task=True)
        assert not task.returned_immediately
        assert (await task.result(timeout=SECONDS)).data == 5


async def test_a_failure_says_why(skewed: LocalStack, protocol: ProtocolChoice) -> None:
    async with Client(skewed.endpoint, protocol=protocol) as client:
        task = await client.call_tool("fail", {"why": "for a test"}, task=True)
        result = await task.result(timeout=SECONDS)
    assert result.is_error
    assert "for a test" in result.text


async def test_a_cancelled_task_ends_and_its_pod_goes(
    skewed: LocalStack, protocol: ProtocolChoice, tmp_path: Path
) -> None:
    kubectl = Kubectl(skewed.kubeconfig, skewed.namespace)
    async with Client(skewed.endpoint, protocol=protocol) as client:
        task = await client.call_tool("wait_for", {"path": str(tmp_path / "never")}, task=True)
        eventually("its process runs", skewed.task_pids, SECONDS)
        await task.cancel()
        with pytest.raises(TaskCancelledError):
            await task.result(timeout=SECONDS)
    eventually("its process is gone", lambda: not skewed.task_pids(), SECONDS)
    phases = {item["status"]["phase"] for item in kubectl.list("mcptasks") if "never" in str(item["spec"])}
    assert phases == {"cancelled"}


@pytest.mark.parametrize("order", [("operator", "server"), ("server", "operator")], ids="-then-".join)
async def test_a_task_survives_the_upgrade_of_both(
    earlier: EarlierRelease, order: tuple[str, str], tmp_path: Path
) -> None:
    end = tmp_path / "now"
    with installed(earlier, "operator", "server") as installation:
        stack = installation.stack
        async with Client(stack.endpoint) as client:
            task_id = (await client.call_tool("wait_for", {"path": str(end)}, task=True)).task_id
            done = (await client.call_tool("add", {"a": 1, "b": 1}, task=True)).task_id
            await client.resume(done).result(timeout=SECONDS)
        eventually("its process runs", stack.task_pids, SECONDS)
        for name in order:
            installation.upgrade(name)
        end.touch()
        async with Client(stack.endpoint) as client:
            assert (await client.resume(task_id).result(timeout=SECONDS)).data == "there"
            assert (await client.resume(done).result(timeout=SECONDS)).data == 2
            assert (await client.call_tool("add", {"a": 2, "b": 2})).data == 4
