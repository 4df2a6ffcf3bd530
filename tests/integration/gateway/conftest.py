"""One embedded cluster for all tests of the gateway; a namespace for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.kinds import NAMESPACES
from mcptasks.model.cel_rules import CEL_RULES
from mcptasks.model.crds import custom_resource_definitions
from mcptasks_embedded.cluster import ClusterConfig
from mcptasks_embedded.cluster_thread import EmbeddedClusterThread
from tests.integration.gateway.harness import GatewayWorld
from tests.support.fork_server import ForkServer

IMPORTS = """
import mcptasks.cli, mcptasks.cli.commands.run
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedClusterThread]:
    with EmbeddedClusterThread(ClusterConfig(crds=custom_resource_definitions(), rules=CEL_RULES)) as running:
        yield running


@pytest.fixture
async def world(cluster: EmbeddedClusterThread) -> AsyncIterator[GatewayWorld]:
    async with _world(cluster) as world:
        yield world


@pytest.fixture
async def other_world(cluster: EmbeddedClusterThread) -> AsyncIterator[GatewayWorld]:
    """Another namespace of the same cluster."""
    async with _world(cluster) as world:
        yield world


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    with ForkServer.running(IMPORTS) as server:
        yield server


@asynccontextmanager
async def _world(cluster: EmbeddedClusterThread) -> AsyncIterator[GatewayWorld]:
    namespace = f"gateway-{uuid4().hex[:8]}"
    async with await ClusterAccess(cluster.kubeconfig).connect("test") as kube:
        await kube.create(NAMESPACES, {"metadata": {"name": namespace}})
        async with GatewayWorld(kube, cluster, namespace) as world:
            yield world
        await kube.delete(NAMESPACES, namespace)
