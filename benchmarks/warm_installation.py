"""mcptasks with warm templates, on an embedded cluster or on a real one: what `warm.py` measures."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import yaml

from benchmarks.process_usage import cpu_of, processes, with_descendants
from benchmarks.usage import node_cpu, usage_of
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.model.base import API_VERSION, LABEL_TEMPLATE, LABEL_WORKER, JsonObject
from mcptasks.model.task_template import Executor, WarmPool
from mcptasks.settings import PREFIX
from tests.chart.helm import CHART, take_over
from tests.e2e.cluster import IMAGE, ChartDeployment
from tests.e2e.machine import container_pids
from tests.support.kubectl import Kubectl

MODULE = Path(__file__).parent / "programs" / "warm_tools.py"
WARM, WARM_ONCE = "warm", "warm-once"
COMPONENTS = ("server", "operator")
START_SECONDS = 120
STOP_SECONDS = 60


class InstallationError(Exception):
    """The stack did not start; its own output says why."""


class WarmInstallation(Protocol):
    """What the measurements need of either."""

    @property
    def endpoint(self) -> str: ...

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def kubectl(self) -> Kubectl: ...

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far of server, operator and the cluster's components, as far as they can be seen."""

    def worker_pids(self, pod: JsonObject) -> list[int]:
        """Processes of a worker's Pod on this machine; none where it runs elsewhere."""


def pools(workers: int, concurrency: int, once_workers: int) -> dict[str, WarmPool]:
    """The pools of the warm templates, by name: workers that are used again and again, and workers for one task."""
    return {
        WARM: WarmPool(min_workers=workers, max_workers=workers, tasks_per_worker=0, concurrency=concurrency),
        WARM_ONCE: WarmPool(min_workers=once_workers, max_workers=2 * once_workers, tasks_per_worker=1, concurrency=1),
    }


def ready_workers(kubectl: Kubectl, template: str) -> dict[str, JsonObject]:
    """The Ready Pods of the template's workers, by uid."""
    found = kubectl.list("pods", f"{LABEL_WORKER}=true,{LABEL_TEMPLATE}={template}")
    return {pod["metadata"]["uid"]: pod for pod in found if _is_ready(pod)}


def _is_ready(pod: JsonObject) -> bool:
    conditions = {entry["type"]: entry["status"] for entry in (pod.get("status") or {}).get("conditions") or ()}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


# The embedded cluster


@dataclass(frozen=True)
class StackPlace:
    """Where a stack of another process can be reached."""

    endpoint: str
    kubeconfig: Path
    namespace: str
    pids: dict[str, int]


@dataclass(frozen=True)
class StackInstallation:
    """A `LocalStack` in a process of its own, so that client and API server do not share an interpreter."""

    place: StackPlace
    stack_pid: int
    connection: Connection

    @property
    def endpoint(self) -> str:
        return self.place.endpoint

    @property
    def kubeconfig(self) -> Path:
        return self.place.kubeconfig

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.place.kubeconfig, self.place.namespace)

    def cpu(self) -> dict[str, float]:
        known = {**self.place.pids, "embedded_cluster": self.stack_pid}
        return {name: cpu_of(processes([pid])) for name, pid in known.items()}

    def worker_pids(self, pod: JsonObject) -> list[int]:
        self.connection.send("task_pids")
        containers: dict[str, int] = self.connection.recv()
        roots = [pid for name, pid in containers.items() if name.startswith(f"{pod['metadata']['uid']}/")]
        return [pid for root in roots for pid in with_descendants(root)]


@contextmanager
def embedded_installation(templates: dict[str, WarmPool]) -> Iterator[StackInstallation]:
    """On an embedded cluster. Raises InstallationError."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve_stack, args=(theirs,), name="stack")
    process.start()
    theirs.close()
    try:
        place = _place(ours)
        assert process.pid is not None
        installation = StackInstallation(place, process.pid, ours)
        installation.kubectl.apply(*(_template(name, pool) for name, pool in templates.items()))
        yield installation
    finally:
        ours.close()
        process.join(STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _place(connection: Connection) -> StackPlace:
    try:
        if not connection.poll(START_SECONDS):
            raise InstallationError(f"the stack has not started after {START_SECONDS} s")
        place: StackPlace = connection.recv()
    except EOFError:
        raise InstallationError("the stack ended at its start") from None
    return place


def serve_stack(connection: Connection) -> None:
    """Run the stack until the other side closes the connection."""
    # Ctrl-C in the terminal is for the other side to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with LocalStack(StackConfig(str(MODULE))) as stack:
        pids = {name: stack.pid(name) for name in stack.names}
        connection.send(StackPlace(stack.endpoint, stack.kubeconfig, stack.namespace, pids))
        while True:
            try:
                connection.recv()
            except EOFError:
                return
            connection.send(stack.task_pids())


def _template(name: str, pool: WarmPool) -> JsonObject:
    environment = [
        {"name": "PYTHONUNBUFFERED", "value": "1"},
        {"name": f"{PREFIX}MODULE", "value": str(MODULE)},
    ]
    pod = {
        "terminationGracePeriodSeconds": 10,
        "containers": [{"name": "runner", "image": "local", "env": environment}],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "McpTaskTemplate",
        "metadata": {"name": name},
        "spec": {"executor": Executor.WARM.value, "warm": pool.dump(), "podTemplate": {"spec": pod}},
    }


# A real cluster


@dataclass
class WarmChartDeployment(ChartDeployment):
    """The chart with the benchmark's module and pools, in a namespace of its own. Needs helm."""

    templates: dict[str, WarmPool] = field(default_factory=dict)

    def install(self) -> None:
        self.kubectl.apply(*self._namespace())
        options = (*take_over(), "--values=-", "--wait", "--timeout=5m")
        self._helm("install", "mcptasks", str(CHART), *options, stdin=yaml.safe_dump(self._values()))
        self._endpoint = self._reach("mcptasks", 8000) + "/mcp"

    def _values(self) -> JsonObject:
        repository, _, tag = IMAGE.rpartition(":")
        templates = {
            name: {"executor": Executor.WARM.value, "warm": pool.dump()} for name, pool in self.templates.items()
        }
        return {
            "image": {"repository": repository, "tag": tag},
            "server": {"inlineModule": MODULE.read_text(), "allowedHosts": ["*"], "singleUser": True},
            "taskTemplates": templates,
        }

    def cpu(self) -> dict[str, float]:
        found = {component: sum(usage.cpu for usage in usage_of(self, component).values()) for component in COMPONENTS}
        return found | node_cpu()

    def worker_pids(self, pod: JsonObject) -> list[int]:
        return container_pids(pod)


@contextmanager
def chart_installation(kubeconfig: Path, templates: dict[str, WarmPool]) -> Iterator[WarmChartDeployment]:
    """On a real cluster, removed with everything in it at the end."""
    deployment = WarmChartDeployment(kubeconfig, templates=templates)
    try:
        deployment.install()
        yield deployment
    finally:
        deployment.remove()
