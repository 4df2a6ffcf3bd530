"""The workers that the operator makes, where the API server does not answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import AlreadyExistsError, UnavailableError
from mcptasks.kube.kinds import Resource
from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from mcptasks_operator.acting.pool_keeper import PoolKeeper
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.watched_kinds import WatchedKind

pytestmark = pytest.mark.anyio

WARM = ("default", "warm")


@dataclass
class SilentCluster:
    """Stores Pods, and does not answer the first request for one."""

    pods: dict[str, JsonObject] = field(default_factory=dict)

    async def create(self, _resource: Resource, body: JsonObject, namespace: str) -> JsonObject:
        name = body["metadata"]["name"]
        if name in self.pods:
            raise AlreadyExistsError(409, "AlreadyExists", "it is there")
        first = not self.pods
        known = {"uid": f"uid-{name}", "resourceVersion": str(len(self.pods) + 1), "namespace": namespace}
        self.pods[name] = {**body, "metadata": body["metadata"] | known}
        if first:
            raise UnavailableError(0, "Unavailable", "no answer")
        return self.pods[name]

    async def get(self, _resource: Resource, name: str, _namespace: str) -> JsonObject:
        return self.pods[name]


async def test_a_worker_whose_creation_was_not_answered_is_not_made_twice() -> None:
    cluster, cache = SilentCluster(), Cache()
    template = {"name": "warm", "namespace": "default", "uid": "template", "resourceVersion": "1"}
    spec = {"executor": "Warm", "warm": {"minWorkers": 1}}
    cache.put(WatchedKind.TEMPLATE, {"metadata": template, "spec": spec})
    pools = PoolKeeper(cast(KubeClient, cluster), cache, Settings(), wake=lambda _key: None)
    with pytest.raises(UnavailableError):
        await pools.reconcile(WARM)
    await pools.reconcile(WARM)
    await pools.reconcile(WARM)
    assert len(cluster.pods) == 1
