"""The workers that the operator makes, where the API server does not answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import AlreadyExistsError, ForbiddenError, InvalidError, UnavailableError
from mcptasks.kube.kinds import Resource
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import Reason
from mcptasks.settings import Settings
from mcptasks_operator.acting.pool_keeper import PoolKeeper
from mcptasks_operator.deciding.gathered_evidence import PoolEvidence
from mcptasks_operator.deciding.worker_manifests import make_worker
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.watched_kinds import WatchedKind
from tests.unit.operator.builders import POLICY, at, make_task

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


def pool_of(cluster: object, cache: Cache, **settings: Any) -> PoolKeeper:
    return PoolKeeper(cast(KubeClient, cluster), cache, Settings(**settings), wake=lambda _key: None, home="default")


def put_template(cache: Cache, namespace: str = "default", version: int = 1, **spec: Any) -> JsonObject:
    known = {"uid": f"template-{namespace}", "resourceVersion": str(version)}
    metadata = {"name": "warm", "namespace": namespace, **known}
    template = {"metadata": metadata, "spec": {"executor": "Warm", "warm": {"minWorkers": 1}, **spec}}
    cache.put(WatchedKind.TEMPLATE, template)
    return template


def evidence_for(pools: PoolKeeper, namespace: str) -> PoolEvidence:
    task = make_task(metadata={"namespace": namespace}, spec={"templateRef": {"name": "warm"}})
    return pools.evidence(task, POLICY)


class TestTemplatesOfOtherNamespaces:
    """The gateway hands tasks to workers of its own namespace only."""

    async def test_they_get_no_workers_and_their_tasks_the_reason(self) -> None:
        cluster, cache = SilentCluster(), Cache()
        put_template(cache, "elsewhere")
        pools = pool_of(cluster, cache)
        assert await pools.reconcile(("elsewhere", "warm")) is None
        assert cluster.pods == {}
        failure = evidence_for(pools, "elsewhere").failure
        assert failure is not None
        assert failure.reason is Reason.INVALID_TEMPLATE
        assert "is for namespace default alone" in failure.cause
        assert "this is namespace elsewhere" in failure.cause

    async def test_one_with_a_gateway_of_its_own_gets_them(self) -> None:
        cluster, cache = SilentCluster(), Cache()
        own = {"name": "runner", "env": [{"name": "MCPTASKS_GATEWAY_URL", "value": "http://other:8001"}]}
        put_template(cache, "elsewhere", podTemplate={"spec": {"containers": [own]}})
        pools = pool_of(cluster, cache)
        with pytest.raises(UnavailableError):
            await pools.reconcile(("elsewhere", "warm"))
        assert evidence_for(pools, "elsewhere").failure is None


@dataclass
class RefusingCluster:
    """Takes no Pods."""

    async def create(self, _resource: Resource, _body: JsonObject, _namespace: str) -> JsonObject:
        raise InvalidError(422, "Invalid", "no such field")


async def test_what_was_refused_of_a_template_is_forgotten_with_it() -> None:
    cache = Cache()
    template = put_template(cache)
    pools = pool_of(RefusingCluster(), cache)
    await pools.reconcile(WARM)
    assert evidence_for(pools, "default").failure is not None
    cache.remove(WatchedKind.TEMPLATE, template)
    await pools.reconcile(WARM)
    put_template(cache)
    assert evidence_for(pools, "default").failure is None


async def test_what_was_refused_of_a_template_says_nothing_of_it_once_it_is_corrected() -> None:
    cache = Cache()
    put_template(cache)
    pools = pool_of(RefusingCluster(), cache)
    await pools.reconcile(WARM)
    put_template(cache, version=2, podTemplate={"metadata": {"labels": {"corrected": "true"}}})
    found = evidence_for(pools, "default")
    assert (found.cause, found.failure) == (None, None)


async def test_after_its_pause_a_refusal_lets_a_task_wait_for_the_next_try() -> None:
    """Where no worker is kept without a call nobody else would try: what refused may have been put right."""
    cache, moments = Cache(), [0.0]
    put_template(cache)
    pools = replace(pool_of(RefusingCluster(), cache), now=lambda: at(moments[-1]))
    await pools.reconcile(WARM)
    assert evidence_for(pools, "default").failure is not None
    moments.append(2.0)
    found = evidence_for(pools, "default")
    assert found.failure is None
    assert found.cause is not None


def warm_cache() -> Cache:
    """What is known of a cluster with a template for warm tasks."""
    cache = Cache()
    put_template(cache)
    return cache


async def test_a_worker_whose_creation_was_not_answered_is_not_made_twice() -> None:
    cluster = SilentCluster()
    pools = pool_of(cluster, warm_cache())
    with pytest.raises(UnavailableError):
        await pools.reconcile(WARM)
    await pools.reconcile(WARM)
    await pools.reconcile(WARM)
    assert len(cluster.pods) == 1


@dataclass
class HangingCluster(SilentCluster):
    """Stores the first Pod and never answers."""

    async def create(self, resource: Resource, body: JsonObject, namespace: str) -> JsonObject:
        try:
            return await super().create(resource, body, namespace)
        except UnavailableError:
            await asyncio.Event().wait()
            raise


async def test_one_whose_request_was_given_up_is_asked_for_again_by_its_name() -> None:
    cluster = HangingCluster()
    pools = pool_of(cluster, warm_cache())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pools.reconcile(WARM), 0.05)
    await pools.reconcile(WARM)
    assert len(cluster.pods) == 1


@dataclass
class FullCluster(SilentCluster):
    """Lets no Pod start."""

    asked: int = 0

    async def create(self, _resource: Resource, _body: JsonObject, _namespace: str) -> JsonObject:
        self.asked += 1
        raise ForbiddenError(403, "Forbidden", "exceeded quota: pods")


async def test_what_the_quota_refuses_is_not_asked_for_at_every_event() -> None:
    cluster = FullCluster()
    pools = replace(pool_of(cluster, warm_cache()), now=lambda: at(0))
    for _ in range(20):
        assert await pools.reconcile(WARM)
    assert cluster.asked == 1


@dataclass
class DrainedCluster:
    """Has one worker, and takes note of what it is told."""

    worker: JsonObject
    told: list[JsonObject] = field(default_factory=list)

    async def patch(self, _resource: Resource, _name: str, body: JsonObject, _namespace: str) -> JsonObject:
        self.told.append(body)
        return self.worker


def a_ready_worker(cache: Cache) -> JsonObject:
    template = cache.template_object(WARM)
    assert template is not None
    pod, started = make_worker(template, "warm-w-1", Settings()), timestamp(at(0))
    pod["metadata"] |= {"uid": "w1", "resourceVersion": "5", "creationTimestamp": started}
    pod["status"] = {
        "phase": "Running",
        "startTime": started,
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "runner", "state": {"running": {"startedAt": started}}}],
    }
    cache.put(WatchedKind.POD, pod)
    return pod


async def test_an_operator_that_begins_takes_no_worker_for_one_that_was_idle_before() -> None:
    """Otherwise a restart under load would drain all that run nothing at that moment."""
    cache, moments = Cache(), [110.0]
    put_template(cache, warm={"minWorkers": 0, "idleSeconds": 20})
    cluster = DrainedCluster(a_ready_worker(cache))
    pools = replace(pool_of(cluster, cache), now=lambda: at(moments[-1]), since=at(100))
    assert await pools.reconcile(WARM) == 10
    assert cluster.told == []
    moments.append(120.0)
    await pools.reconcile(WARM)
    assert len(cluster.told) == 1
