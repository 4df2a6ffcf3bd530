"""What a worker that connects costs the API server, whatever it says it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from mcptasks.gateway.claims_in_flight import ClaimsInFlight
from mcptasks.gateway.connected_workers import ConnectedWorkers
from mcptasks.gateway.known_tasks import KnownTasks
from mcptasks.gateway.pods import PodIdentity
from mcptasks.gateway.worker_arrival import FREE_LOOKS, SharedLook, WorkerArrival
from mcptasks.gateway.worker_claims import WorkerClaims
from mcptasks.gateway.worker_link import WorkerLink
from mcptasks.gateway.workers import WorkerPod
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from tests.unit.gateway.builders import NOW

pytestmark = pytest.mark.anyio

HELD = 100


@dataclass
class CountedLooks:
    """Stands in for the claims: each task that is looked up is gone."""

    link: WorkerLink
    closes_after: int = HELD
    looks: int = 0
    pauses: list[float] = field(default_factory=list)

    async def read(self, _namespace: str, name: str) -> JsonObject:
        self.looks += 1
        if self.looks == self.closes_after:
            self.link.close()
        raise NotFoundError(404, "NotFound", name)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def a_link(concurrency: int) -> WorkerLink:
    pod = WorkerPod(PodIdentity("ns", "w-1", "uid-1"), "warm", "t", "h", NOW, concurrency=concurrency)
    return WorkerLink(pod, "digest", {f"u-{number}": 1 for number in range(HELD)})


async def settled(looks: CountedLooks) -> None:
    """Settle the worker of the link, whose tasks this gateway has all heard of."""
    known = KnownTasks("ns", WatchCache(cast(KubeClient, None), MCP_TASKS, "ns"))
    for uid in looks.link.held:
        known.note({"metadata": {"name": f"task-{uid}", "uid": uid}})
    claims = cast(WorkerClaims, looks)
    in_flight = ClaimsInFlight(claims)
    workers = ConnectedWorkers(known, in_flight, lambda _template: None)
    arrival = WorkerArrival(known, claims, in_flight, workers, SharedLook(known, claims), looks.pause)
    await arrival.settle(looks.link)


async def test_what_a_worker_names_beyond_what_it_may_have_is_looked_up_slowly() -> None:
    looks = CountedLooks(a_link(concurrency=4))
    await settled(looks)
    assert looks.looks == HELD
    assert len(looks.pauses) == HELD - 4 - FREE_LOOKS
    assert min(looks.pauses) > 0


async def test_nothing_more_is_looked_up_for_a_worker_that_has_connected_anew() -> None:
    looks = CountedLooks(a_link(concurrency=HELD), closes_after=3)
    await settled(looks)
    assert looks.looks == 3
