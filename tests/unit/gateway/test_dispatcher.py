"""What a worker is told where its connection, its Pod or its task goes while a claim is being written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from mcptasks.gateway.claims_in_flight import ClaimsInFlight
from mcptasks.gateway.connected_workers import ConnectedWorkers
from mcptasks.gateway.contract import AliveOrder, Assignment, EndOrder, HeldAttempt, Order, PrepareOrder, RunOrder
from mcptasks.gateway.dispatcher import Dispatcher, WorkSources
from mcptasks.gateway.known_tasks import KnownTasks
from mcptasks.gateway.pods import PodIdentity
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.template_facts import TemplateFacts
from mcptasks.gateway.work_observer import UnobservedWork
from mcptasks.gateway.worker_arrival import SharedLook, WorkerArrival
from mcptasks.gateway.worker_claims import WorkerClaims
from mcptasks.gateway.worker_link import WorkerLink
from mcptasks.gateway.workers import WorkerPod
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS, PODS, Resource
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Component
from mcptasks.model.task_template import McpTaskTemplateSpec, worker_hash
from tests.unit.gateway.builders import NOW
from tests.unit.tasks.objects import NAMESPACE, task_object

pytestmark = pytest.mark.anyio

MODULE = "digest"
SPEC: JsonObject = {"executor": "Warm", "warm": {"tasksPerWorker": 0}}


def empty(resource: Resource) -> WatchCache:
    return WatchCache(cast(KubeClient, None), resource, NAMESPACE)


def a_worker(uid: str = "w1") -> WorkerPod:
    return WorkerPod(
        identity=PodIdentity(NAMESPACE, f"warm-w-{uid}", uid),
        template="warm",
        template_uid="template-uid",
        template_hash=worker_hash(McpTaskTemplateSpec.model_validate(SPEC)),
        created_at=NOW,
        tasks=0,
    )


def warm_object(name: str, *, version: int = 1, **status: Any) -> JsonObject:
    return task_object(name, version=version, status=status or None, templateRef={"name": "warm"})


@dataclass
class ClaimsOnTheirWay:
    """Claims are answered once `answered` is set. `written` is told of each then; no task is there to be read."""

    answered: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[tuple[str, str]] = field(default_factory=list)
    unbegun: list[str] = field(default_factory=list)
    written: Callable[[JsonObject], None] = lambda _item: None
    during_look: Callable[[], None] = lambda: None

    async def claim(self, item: JsonObject, worker: WorkerPod, _is_connected: Callable[[], bool]) -> Assignment:
        name = item["metadata"]["name"]
        self.begun.append((name, worker.uid))
        await self.answered.wait()
        attempt = int((item.get("status") or {}).get("attempts") or 0) + 1
        version = int(item["metadata"]["resourceVersion"]) + 1
        self.written(warm_object(name, version=version, executor="Warm", podUid=worker.uid, attempts=attempt))
        return Assignment(
            task_id=name,
            namespace=NAMESPACE,
            uid=item["metadata"]["uid"],
            attempt=attempt,
            server="default",
            component=Component(name="add"),
            max_result_bytes=1,
        )

    async def all(self, _namespace: str) -> list[JsonObject]:
        self.during_look()
        return []

    async def read(self, _namespace: str, _name: str) -> JsonObject:
        raise NotFoundError(404, "NotFound", "it is gone")

    async def note_unbegun(self, _worker: WorkerPod, name: str, _uid: str) -> None:
        self.unbegun.append(name)


@dataclass
class SmallGateway:
    """A dispatcher of one template, and nothing around it."""

    claims: ClaimsOnTheirWay = field(default_factory=ClaimsOnTheirWay)
    tasks: WatchCache = field(default_factory=lambda: empty(MCP_TASKS))
    templates: WatchCache = field(default_factory=lambda: empty(MCP_TASK_TEMPLATES))
    dispatcher: Dispatcher = field(init=False)

    def __post_init__(self) -> None:
        facts = TemplateFacts(lambda name: self.templates.get(NAMESPACE, name), 60)
        sources = WorkSources(NAMESPACE, MODULE, self.templates, empty(PODS))
        claims = cast(WorkerClaims, self.claims)
        self.dispatcher = Dispatcher("default", sources, claims, facts, self.tasks, UnobservedWork())
        metadata = {"name": "warm", "namespace": NAMESPACE, "uid": "template-uid", "resourceVersion": "1"}
        self.templates.add({"metadata": metadata, "spec": SPEC})

    async def connected(self, worker: WorkerPod) -> WorkerLink:
        link = self.dispatcher.connect(worker, MODULE, [])
        await moment()
        return link

    async def end(self) -> None:
        self.claims.answered.set()
        await self.dispatcher.aclose()


async def moment() -> None:
    """Let everything happen that is due."""
    for _ in range(20):
        await asyncio.sleep(0)


async def told(link: WorkerLink) -> list[Order]:
    """What the worker has been told since it was last asked."""
    orders: list[Order] = []
    while (order := await link.next(0)) is not None and not isinstance(order, AliveOrder):
        orders.append(order)
    return orders


async def test_a_worker_that_connects_anew_waits_for_what_is_being_claimed_for_it() -> None:
    """Otherwise one that is to drain would end before it hears that the claim stands."""
    gateway = SmallGateway()
    await gateway.connected(a_worker())
    gateway.tasks.add(warm_object("a"))
    again = await gateway.connected(a_worker())
    assert await told(again) == [PrepareOrder(task_id="a", uid="a")]
    gateway.claims.answered.set()
    await moment()
    assert [type(order) for order in await told(again)] == [RunOrder]
    await gateway.end()


async def test_a_task_that_is_deleted_before_its_claim_is_answered_is_ended() -> None:
    gateway = SmallGateway()
    link = await gateway.connected(a_worker())
    item = warm_object("a")
    gateway.tasks.add(item)
    gateway.dispatcher.task_deleted(item)
    gateway.claims.answered.set()
    await moment()
    _, run, end = await told(link)
    assert isinstance(run, RunOrder)
    assert end == EndOrder(uid="a", attempt=1, message="the task has been deleted")
    await gateway.end()


class TestAPodThatIsGone:
    """As with `kubectl delete --force`: no change of the Pod has told of it before, and its process may still live."""

    async def test_gets_nothing_more(self) -> None:
        gateway = SmallGateway()
        link = await gateway.connected(a_worker())
        gateway.tasks.add(warm_object("a"))
        gateway.tasks.add(warm_object("b"))
        link.held.clear()
        gateway.dispatcher.pod_deleted({"metadata": {"uid": "w1"}})
        await moment()
        assert link.closed
        assert gateway.claims.begun == [("a", "w1")]
        await gateway.end()

    async def test_is_not_taken_in_again(self) -> None:
        gateway = SmallGateway()
        await gateway.connected(a_worker())
        gateway.dispatcher.pod_deleted({"metadata": {"uid": "w1"}})
        with pytest.raises(RefusedError, match="has been deleted"):
            gateway.dispatcher.connect(a_worker(), MODULE, [])
        await gateway.end()


async def test_a_connection_that_another_one_has_replaced_gets_nothing() -> None:
    """Where its other end does not read, it is still there for a while."""
    gateway = SmallGateway()
    earlier = await gateway.connected(a_worker())
    later = await gateway.connected(a_worker())
    gateway.tasks.add(warm_object("a"))
    assert (list(earlier.held), list(later.held)) == ([], ["a"])
    await gateway.end()


async def test_a_task_that_is_released_before_its_claim_is_answered_waits_again() -> None:
    gateway = SmallGateway()
    gateway.claims.written = gateway.tasks.add
    link = await gateway.connected(a_worker())
    gateway.tasks.add(warm_object("a"))
    gateway.tasks.add(warm_object("a", version=2, executor="Warm", podUid="w1", attempts=1))
    gateway.tasks.add(warm_object("a", version=3, executor="Warm", attempts=1))
    gateway.claims.answered.set()
    await moment()
    assert [order.assignment.attempt for order in await told(link) if isinstance(order, RunOrder)] == [1, 2]
    await gateway.end()


class TestAWorkerThatArrives:
    """It says what it holds, and nobody else may know of that."""

    async def settled(self, claims: ClaimsOnTheirWay, known: KnownTasks, *holds: HeldAttempt) -> WorkerLink:
        asked = cast(WorkerClaims, claims)
        in_flight = ClaimsInFlight(asked)
        workers = ConnectedWorkers(known, in_flight, lambda _template: None, let_go_seconds=0)
        link = workers.add(a_worker(), MODULE, holds)
        await WorkerArrival(known, asked, in_flight, workers, SharedLook(known, asked)).settle(link)
        return link

    async def test_has_room_again_where_the_task_that_it_holds_is_gone(self) -> None:
        """Its outcome may go to another replica, and nothing else would ever say that it is over."""
        claims, known = ClaimsOnTheirWay(), KnownTasks(NAMESPACE, empty(MCP_TASKS))
        link = await self.settled(claims, known, HeldAttempt("a", 1))
        assert await told(link) == [EndOrder(uid="a", attempt=1, message="the task has been deleted")]
        await asyncio.sleep(0.01)
        assert not link.held

    async def test_has_never_begun_what_was_claimed_and_ended_while_it_arrived(self) -> None:
        claims, known = ClaimsOnTheirWay(), KnownTasks(NAMESPACE, empty(MCP_TASKS))
        ended = warm_object("b", phase="cancelled", executor="Warm", podUid="w1", attempts=1)
        claims.during_look = lambda: known.cache.add(ended)
        await self.settled(claims, known, HeldAttempt("a", 1))
        assert claims.unbegun == ["b"]
