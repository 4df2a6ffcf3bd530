"""The product on the embedded cluster, behind the same interface as on a real one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.dev.supervisor import free_ports
from mcptasks.model.task_template import Executor
from tests.e2e.cluster import LIMITS, RIVAL_LEASE
from tests.e2e.templates import templates
from tests.support.kubectl import Kubectl
from tests.support.redis import RedisServer, redis_server

TOOLS = Path(__file__).with_name("tools.py")
RETURNS = Path(__file__).with_name("returns.py")
MODULE = f"{TOOLS},{RETURNS}"


@dataclass
class EmbeddedDeployment:
    """A `LocalStack` and a Redis, for as long as the tests run."""

    stack: LocalStack
    redis: RedisServer
    embedded: bool = True

    @property
    def kubeconfig(self) -> Path:
        return self.stack.kubeconfig

    @property
    def namespace(self) -> str:
        return self.stack.namespace

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.kubeconfig, self.namespace)

    @property
    def endpoint(self) -> str:
        return self.stack.endpoint

    @property
    def gateway(self) -> str:
        """URL of the gateway."""
        return self.stack.supervisor.spec("operator").environment["MCPTASKS_GATEWAY_URL"]

    def names(self, component: str) -> list[str]:
        """The processes of `server` or `operator`."""
        known = {"server": self.stack.server_names, "operator": self.stack.operator_names}
        return known.get(component, [component])

    def kill(self, component: str) -> None:
        """Kill all processes of a component at once, and start them again as a Deployment would."""
        if component == "redis":
            self.redis.stop()
            self.redis.start()
            return
        self._kill(self.names(component))

    def kill_leader(self) -> str:
        """Kill the operator that leads, and start it again; gives its identity."""
        identity = self.leader()
        self._kill(self._operators(identity))
        return identity

    def stop_leader(self) -> str:
        """Stop the operator that leads, and start it again, as a rollout does; gives its identity."""
        identity = self.leader()
        names = self._operators(identity)
        for name in names:
            self.stack.stop(name)
        self._start(names)
        return identity

    def _operators(self, identity: str) -> list[str]:
        pid = int(identity.split("_")[1])
        return [name for name in self.stack.operator_names if self.stack.pid(name) == pid]

    def _kill(self, names: list[str]) -> None:
        for name in names:
            self.stack.kill(name)
        self._start(names)

    def _start(self, names: list[str]) -> None:
        for name in names:
            self.stack.start(name, ready_seconds=None)
        for name in names:
            self.stack.start(name)

    def leader(self) -> str:
        """Identity of the operator that holds the Lease."""
        return self.kubectl.lease_holder("mcptasks-operator")

    def start_rival(self) -> None:
        """A second installation's operator on the same tasks: it has a Lease of its own, so that both lead."""
        port = free_ports(1)[0]
        rival = self.stack.supervisor.spec("operator")
        environment = {**rival.environment, "MCPTASKS_LIVENESS_PORT": str(port), "MCPTASKS_LEASE_NAME": RIVAL_LEASE}
        url = f"http://127.0.0.1:{port}/readyz"
        self.stack.supervisor.add(replace(rival, name="rival", environment=environment, ready_url=url))
        self.stack.start("rival")

    def stop_rival(self) -> None:
        self.stack.stop("rival")
        self.kubectl.run("delete", "lease", RIVAL_LEASE, "--ignore-not-found")

    @property
    def has_machine(self) -> bool:
        """The API server can be stopped; there is nothing else."""
        return True

    def kill_api(self, seconds: float = 2.0) -> None:
        """Cut the API server off; let it serve again after that many seconds."""
        self.stack.cluster.run(self.stack.cluster.cluster.stop_api())
        time.sleep(seconds)
        self.stack.cluster.run(self.stack.cluster.cluster.start_api())

    def scale(self, component: str, replicas: int) -> None:
        names = self.names(component)
        if replicas:
            self._start(names)
        for name in [] if replicas else names:
            self.stack.stop(name)

    def ready(self, component: str) -> None:
        """Components are ready when `kill` returns."""

    def stored(self) -> list[str]:
        """Names of what Redis holds."""
        cli = redis_server().with_name("redis-cli")
        command = [str(cli), "-u", self.redis.url, "--scan"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()

    def in_redis(self, program: str) -> None:
        """Run Python statements in which `r` is the Redis."""
        command = [sys.executable, "-c", f"import redis; r = redis.from_url({self.redis.url!r})\n{program}"]
        subprocess.run(command, check=True, timeout=60)

    def logs(self, component: str) -> str:
        return "".join(self.stack.log(name) for name in self.names(component))


def embedded_settings() -> dict[str, str]:
    """What the tests set on any cluster, as far as it fits an embedded one."""
    return {key: value for key, value in LIMITS.items() if key != "MCPTASKS_REDIS_URL"}


def embedded(
    directory: Path, settings: dict[str, str], executor: Executor = Executor.JOB
) -> Iterator[EmbeddedDeployment]:
    """A deployment on an embedded cluster."""
    redis = RedisServer(directory, arguments=("--appendonly", "yes", "--appendfsync", "always"))
    redis.start()
    try:
        config = StackConfig(MODULE, operators=2, settings={**settings, "MCPTASKS_REDIS_URL": redis.url})
        with LocalStack(config) as stack:
            deployment = EmbeddedDeployment(stack, redis)
            deployment.kubectl.run("create", "serviceaccount", "mcptasks-runner")
            deployment.kubectl.apply(*templates(stack.namespace, "local", executor, MODULE))
            yield deployment
    finally:
        redis.stop()
