"""The product on the embedded cluster, behind the same interface as on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcptasks.local.stack import LocalStack, StackConfig
from tests.e2e.templates import templates
from tests.support.kubectl import Kubectl
from tests.support.redis import RedisServer

TOOLS = Path(__file__).with_name("tools.py")


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

    def kill(self, component: str) -> None:
        """Kill a component, and start it again as a Deployment would."""
        if component == "redis":
            self.redis.stop()
            self.redis.start()
            return
        self.stack.kill(component)
        self.stack.start(component)

    def scale(self, component: str, replicas: int) -> None:
        if replicas:
            self.stack.start(component)
        else:
            self.stack.stop(component)

    def ready(self, component: str) -> None:
        """Components are ready when `kill` returns."""

    def logs(self, component: str) -> str:
        return self.stack.log(component)


def embedded(directory: Path, settings: dict[str, str]) -> Iterator[EmbeddedDeployment]:
    """A deployment on an embedded cluster."""
    redis = RedisServer(directory)
    redis.start()
    try:
        config = StackConfig(str(TOOLS), settings={**settings, "MCPTASKS_REDIS_URL": redis.url})
        with LocalStack(config) as stack:
            deployment = EmbeddedDeployment(stack, redis)
            deployment.kubectl.run("create", "serviceaccount", "mcptasks-runner")
            deployment.kubectl.apply(*templates(stack.namespace, "local"))
            yield deployment
    finally:
        redis.stop()
