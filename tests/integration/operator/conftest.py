"""One embedded cluster for all of the operator's integration tests; a namespace for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.kinds import NAMESPACES
from mcptasks.model.cel_rules import CEL_RULES
from mcptasks.model.crds import custom_resource_definitions
from mcptasks.settings import Settings
from mcptasks_embedded.cluster import ClusterConfig
from mcptasks_embedded.cluster_thread import EmbeddedClusterThread
from mcptasks_embedded.controllers.job_decision import Backoff
from tests.integration.operator.harness import OperatorWorld


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedClusterThread]:
    config = ClusterConfig(crds=custom_resource_definitions(), rules=CEL_RULES, backoff=Backoff(base=2.0))
    with EmbeddedClusterThread(config) as running:
        yield running


@pytest.fixture
async def world(cluster: EmbeddedClusterThread) -> AsyncIterator[OperatorWorld]:
    namespace = f"operator-{uuid4().hex[:8]}"
    settings = Settings(
        kubeconfig=cluster.kubeconfig,
        namespace=namespace,
        resync_seconds=60,
        liveness_port=0,
        # An operator in a thread of a busy machine may hear nothing for seconds.
        lease_seconds=20,
        lease_renew_seconds=15,
        lease_retry_seconds=0.5,
        start_deadline_seconds=20,
        result_floor_seconds=2,
        workers=8,
    )
    async with await ClusterAccess(cluster.kubeconfig).connect("test") as kube:
        await kube.create(NAMESPACES, {"metadata": {"name": namespace}})
        yield OperatorWorld(kube, cluster, namespace, settings)
        await kube.delete(NAMESPACES, namespace)
