"""One installation of the product for all end-to-end tests: on the cluster of --kubeconfig, or an embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task_template import Executor
from tests.e2e.api import ClusterApi
from tests.e2e.cluster import ClusterDeployment, installed
from tests.e2e.embedded import EmbeddedDeployment, embedded, embedded_settings
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

LONG_ENOUGH_MS = 1_200_000
"""A ttl that is longer than any test takes, and short enough that little is left to remove after all of them."""

Deployment: TypeAlias = ClusterDeployment | EmbeddedDeployment


@pytest.fixture(scope="session")
def executor(request: pytest.FixtureRequest) -> Executor:
    """What runs the tasks."""
    return Executor(request.config.getoption("--executor"))


@pytest.fixture(scope="session")
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, executor: Executor
) -> Iterator[Deployment]:
    yield from deployments(request.config, tmp_path_factory, executor)


def deployments(config: pytest.Config, folders: pytest.TempPathFactory, executor: Executor) -> Iterator[Deployment]:
    """An installation whose tasks are run by the executor, where the options want it."""
    kubeconfig = config.getoption("--kubeconfig")
    if kubeconfig:
        yield from installed(Path(kubeconfig), by_chart=config.getoption("--chart"), executor=executor)
    else:
        yield from embedded(folders.mktemp("redis"), embedded_settings(), executor)


@pytest.fixture(scope="session")
def crowd(request: pytest.FixtureRequest) -> int:
    """How many tasks a test of many at once starts: a sample, unless --crowd says more."""
    count: int = request.config.getoption("--crowd")
    return count


@pytest.fixture(scope="session")
def client(deployment: Deployment) -> RawClient:
    return RawClient(deployment.endpoint)


@pytest.fixture(scope="session")
def kubectl(deployment: Deployment) -> Kubectl:
    return deployment.kubectl


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_in_the_cluster(deployment: Deployment) -> Iterator[None]:
    """Fails the run when something outlives the tasks: McpTasks, Jobs, Pods, Secrets."""
    yield
    deployment.kubectl.run("delete", "mcptasks", "--all", "--timeout=120s", seconds=150)
    left: list[str] = []

    def nothing() -> bool:
        left[:] = leftovers(deployment.kubectl)
        return not left

    try:
        eventually("nothing is left of any task", nothing, 90, every=1)
    except AssertionError as error:
        raise AssertionError(f"{error}: {', '.join(left)}") from None


def leftovers(kubectl: Kubectl) -> list[str]:
    """What tasks have left in the namespace. Helm keeps its releases in Secrets of a type of its own.

    Workers that wait for a task have the label of one, without a name, and may stay.
    """
    kinds = [("mcptasks", None), ("jobs", None), ("pods", "mcptasks.dev/task,mcptasks.dev/task!="), ("secrets", None)]
    found = [(kind, item) for kind, selector in kinds for item in kubectl.list(kind, selector)]
    return [f"{kind} {item['metadata']['name']}" for kind, item in found if item.get("type") != "helm.sh/release.v1"]


class Look:
    """Looks at a task in the cluster itself, without a process for each look."""

    def __init__(self, api: ClusterApi) -> None:
        self._api = api

    def find(self, task_id: str) -> JsonObject | None:
        return self._api.task(task_id)

    def task(self, task_id: str) -> JsonObject:
        found = self.find(task_id)
        assert found is not None, f"there is no McpTask {task_id}"
        return found

    def status(self, task_id: str) -> JsonObject:
        status: JsonObject = self.task(task_id).get("status") or {}
        return status

    def jobs(self, task_id: str) -> list[JsonObject]:
        return self._api.jobs(task_id)

    def pods(self, task_id: str) -> list[JsonObject]:
        return self._api.pods(task_id)

    def log(self, pod: str) -> str:
        return self._api.log(pod)

    def condition(self, task_id: str, kind: str) -> JsonObject:
        conditions: list[JsonObject] = self.status(task_id).get("conditions") or []
        return next((c for c in conditions if c["type"] == kind), {})

    def running(self, task_id: str, seconds: float = 60) -> str:
        """Wait until the task's tool runs; gives its Pod's name."""

        def pod_name() -> Any:
            status = self.status(task_id)
            return status.get("podName") if status.get("startedAt") else None

        name: str = eventually(f"{task_id} runs", pod_name, seconds)
        return name

    def terminated(self, task_id: str, seconds: float = 60) -> JsonObject:
        """Wait until no process of the task is left; gives the condition."""

        def condition() -> JsonObject | None:
            found = self.condition(task_id, "PodsTerminated")
            return found if found.get("status") == "True" else None

        return eventually(f"{task_id}: PodsTerminated", condition, seconds)

    def no_pods(self, task_id: str) -> None:
        """No container of the task's runs, and its Pods are removed."""
        states = [s["state"] for p in self.pods(task_id) for s in p["status"].get("containerStatuses") or ()]
        assert [state for state in states if "running" in state] == []
        eventually(f"{task_id}: no Pods", lambda: not self.pods(task_id), 30)

    def no_running_pods(self, task_id: str) -> None:
        """No Pod of the task runs or is going to; those that ended may be kept for their logs."""
        phases = {pod["status"].get("phase") for pod in self.pods(task_id)}
        assert not phases & {"Pending", "Running", "Unknown"}

    def gone(self, task_id: str, seconds: float = 60) -> None:
        """Wait until nothing of the task is left."""

        def left() -> bool:
            return not (self.find(task_id) or self.jobs(task_id) or self.pods(task_id))

        eventually(f"{task_id} is gone", left, seconds)


@pytest.fixture(scope="session")
def look(deployment: Deployment) -> Iterator[Look]:
    with ClusterApi(deployment.kubeconfig, deployment.namespace) as api:
        yield Look(api)
