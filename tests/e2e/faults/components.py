"""What can be killed, and how it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from mcptasks.model.task_template import Executor
from tests.e2e.cluster import ClusterDeployment
from tests.e2e.embedded import EmbeddedDeployment
from tests.e2e.faults.model import FaultTool
from tests.support.polling import eventually

DOWN_SECONDS = 2.0
TAKE_OVER_SECONDS = 60.0

Fire: TypeAlias = Callable[[], object]


@dataclass(frozen=True)
class Victim:
    """A component. `aim` prepares the kill and gives what sends SIGKILL at once and then has the component come back.

    Args:
        ready: waits until it works again.
        tools: what tasks call while it is killed, and what runs them.
        struck: uids of the Pods that its kills have ended so far. A tool that ran in one of them is not run again
            unless it is repeatable.
    """

    name: str
    aim: Callable[[], Fire]
    ready: Callable[[], object]
    executor: Executor = Executor.JOB
    tools: tuple[FaultTool, ...] = (FaultTool("until"),)
    struck: set[str] = field(default_factory=set)


def victims(deployment: ClusterDeployment | EmbeddedDeployment) -> list[Victim]:
    """All that can be killed there."""
    if isinstance(deployment, EmbeddedDeployment):
        return [
            Victim("server", lambda: lambda: deployment.kill("server"), _nothing),
            _operator(deployment, lambda _leader: deployment.kill_leader),
            Victim("redis", lambda: lambda: deployment.kill("redis"), _nothing),
            Victim("kube-apiserver", lambda: lambda: deployment.kill_api(DOWN_SECONDS), _nothing),
        ]
    return [*_installed(deployment), *(_machine(deployment) if deployment.has_machine else ())]


def _installed(deployment: ClusterDeployment) -> list[Victim]:
    def one_server() -> Fire:
        return deployment.aim("server", deployment.pods("server")[:1])

    def ready() -> None:
        deployment.ready("server")

    return [
        Victim("server", lambda: deployment.aim("server"), ready),
        Victim("gateway replica", one_server, ready),
        _operator(deployment, lambda leader: deployment.aim("operator", [leader.partition("_")[0]])),
        Victim("redis", lambda: deployment.aim("redis"), lambda: deployment.ready("redis")),
    ]


def _operator(deployment: ClusterDeployment | EmbeddedDeployment, aim: Callable[[str], Fire]) -> Victim:
    """The operator that leads; ready means that another one does."""
    killed: list[str] = []

    def aim_at_leader() -> Fire:
        killed.append(deployment.leader())
        return aim(killed[-1])

    def taken_over() -> None:
        eventually("another leader", lambda: deployment.leader() not in ("", *killed), TAKE_OVER_SECONDS)

    return Victim("operator", aim_at_leader, taken_over)


def _machine(deployment: ClusterDeployment) -> list[Victim]:
    groups = [("kube-apiserver",), ("etcd",), ("kubelet", "containerd")]
    return [Victim("+".join(group), _killer(deployment, group), _nothing) for group in groups]


def _killer(deployment: ClusterDeployment, group: tuple[str, ...]) -> Callable[[], Fire]:
    return lambda: lambda: deployment.kill_machine(*group, seconds=DOWN_SECONDS)


def _nothing() -> None:
    return None
