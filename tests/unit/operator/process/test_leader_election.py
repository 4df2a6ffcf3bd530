"""Leader election: one leader at a time, and nobody who cannot renew goes on."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field

import pytest

from mcptasks.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    KubeError,
    NotFoundError,
    UnavailableError,
)
from mcptasks.kube.kinds import Resource
from mcptasks.model.base import JsonObject
from mcptasks_operator.process.leader_election import (
    LeaseConfigError,
    LeaseElection,
    LeaseLostError,
    LeaseTimes,
    new_identity,
)
from tests.unit.operator.builders import until

pytestmark = pytest.mark.anyio

TIMES = LeaseTimes(duration=15, renew=10, retry=2)


@dataclass
class Cluster:
    """One Lease with optimistic concurrency, and one clock; sleeping moves the clock."""

    now: float = 1000.0
    lease: JsonObject | None = None
    version: int = 0
    error: KubeError | None = None
    hangs: bool = False
    requests: list[str] = field(default_factory=list)
    sleeps: int = 0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1
        if self.sleeps > 200:
            raise AssertionError("nothing ever happens")
        await asyncio.sleep(0)

    async def _request(self, name: str) -> None:
        self.requests.append(name)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> JsonObject:
        await self._request("get")
        if self.lease is None:
            raise NotFoundError(404, "NotFound", "no lease")
        return copy.deepcopy(self.lease)

    async def create(self, resource: Resource, body: JsonObject, namespace: str | None = None) -> JsonObject:
        await self._request("create")
        if self.lease is not None:
            raise AlreadyExistsError(409, "AlreadyExists", "there is one")
        return self._store(body)

    async def replace(
        self, resource: Resource, name: str, body: JsonObject, namespace: str | None = None
    ) -> JsonObject:
        await self._request("replace")
        assert self.lease is not None
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ConflictError(409, "Conflict", "somebody was faster")
        return self._store(body)

    def _store(self, body: JsonObject) -> JsonObject:
        self.version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.lease)

    def held_by(self, holder: str, renew_time: str = "then", duration: int = 15) -> None:
        spec = {"holderIdentity": holder, "leaseDurationSeconds": duration, "renewTime": renew_time}
        spec |= {"acquireTime": "then", "leaseTransitions": 3}
        self._store({"metadata": {"name": "op", "namespace": "ns"}, "spec": spec})

    @property
    def spec(self) -> JsonObject:
        assert self.lease is not None
        spec: JsonObject = self.lease["spec"]
        return spec

    def candidate(self, identity: str, times: LeaseTimes = TIMES) -> LeaseElection:
        return LeaseElection(self, "op", "ns", times, identity, clock=self.time, sleep=self.sleep)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_the_first_one_leads(cluster: Cluster) -> None:
    await cluster.candidate("me").acquire()
    assert (cluster.spec["holderIdentity"], cluster.spec["leaseDurationSeconds"]) == ("me", 15)
    assert cluster.spec["leaseTransitions"] == 0


async def test_a_lease_that_is_renewed_is_not_taken(cluster: Cluster) -> None:
    cluster.held_by("other")
    me = cluster.candidate("me")
    waiting = asyncio.create_task(me.acquire())
    for beat in range(50):
        cluster.held_by("other", f"beat {beat}")
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert cluster.spec["holderIdentity"] == "other"


async def test_a_lease_that_is_not_renewed_is_taken_after_its_duration_and_not_before(cluster: Cluster) -> None:
    cluster.held_by("other")
    start = cluster.now
    await cluster.candidate("me").acquire()
    assert cluster.spec["holderIdentity"] == "me"
    assert cluster.now - start >= 15
    assert cluster.spec["leaseTransitions"] == 4


async def test_the_holders_clock_does_not_matter(cluster: Cluster) -> None:
    """A renew time in the far past or future says nothing: only that it does not change counts."""
    for stamp in ("1970-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"):
        cluster.held_by("other", stamp)
        start = cluster.now
        await cluster.candidate("me").acquire()
        assert cluster.now - start >= 15


async def test_the_holders_own_duration_counts(cluster: Cluster) -> None:
    cluster.held_by("other", duration=60)
    start = cluster.now
    await cluster.candidate("me").acquire()
    assert cluster.now - start >= 60


async def test_a_lease_that_was_given_up_is_taken_at_once(cluster: Cluster) -> None:
    first = cluster.candidate("first")
    await first.acquire()
    await first.release()
    start = cluster.now
    await cluster.candidate("second").acquire()
    assert cluster.now == start
    assert cluster.spec["holderIdentity"] == "second"


async def test_only_the_holder_gives_up(cluster: Cluster) -> None:
    me = cluster.candidate("me")
    await me.acquire()
    cluster.held_by("other")
    with pytest.raises(LeaseLostError):
        await me.hold()
    await me.release()
    assert cluster.spec["holderIdentity"] == "other"


async def test_of_two_that_try_at_once_one_leads(cluster: Cluster) -> None:
    first, second = cluster.candidate("first"), cluster.candidate("second")
    tasks = [asyncio.create_task(one.acquire()) for one in (first, second)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert sum(task.done() for task in tasks) == 1
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_holding_renews(cluster: Cluster) -> None:
    me = cluster.candidate("me")
    await me.acquire()
    before = cluster.version
    task = asyncio.create_task(me.hold())
    await until(lambda: cluster.version >= before + 3)
    task.cancel()
    await asyncio.wait([task])
    assert cluster.spec["holderIdentity"] == "me"
    assert cluster.spec["leaseTransitions"] == 0


async def test_a_leader_that_cannot_renew_steps_down_before_another_may_take_over(cluster: Cluster) -> None:
    me = cluster.candidate("me")
    await me.acquire()
    start = cluster.now
    cluster.error = UnavailableError(0, "Unavailable", "away")
    with pytest.raises(LeaseLostError, match="could not be renewed for 10 s"):
        await me.hold()
    assert 10 <= cluster.now - start < 15


async def test_a_short_absence_of_the_api_server_is_sat_out(cluster: Cluster) -> None:
    me = cluster.candidate("me")
    await me.acquire()
    cluster.error = UnavailableError(503, "Unavailable", "away")
    task = asyncio.create_task(me.hold())
    failed = cluster.sleeps
    await until(lambda: cluster.sleeps >= failed + 3)
    cluster.error = None
    version = cluster.version
    await until(lambda: cluster.version >= version + 2)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_a_leader_whose_lease_was_taken_stops_at_once(cluster: Cluster) -> None:
    me = cluster.candidate("me")
    await me.acquire()
    cluster.held_by("other")
    start = cluster.now
    with pytest.raises(LeaseLostError, match="other has taken lease ns/op"):
        await me.hold()
    assert cluster.now - start <= TIMES.retry


async def test_a_deleted_lease_is_made_again(cluster: Cluster) -> None:
    me = cluster.candidate("me")
    await me.acquire()
    cluster.lease = None
    task = asyncio.create_task(me.hold())
    await until(lambda: cluster.lease is not None)
    assert cluster.spec["holderIdentity"] == "me"
    task.cancel()
    await asyncio.wait([task])


async def test_a_request_that_hangs_does_not_outlast_the_renew_deadline() -> None:
    cluster = Cluster()
    me = cluster.candidate("me", LeaseTimes(duration=0.4, renew=0.2, retry=0.05))
    await me.acquire()
    cluster.hangs = True
    loop = asyncio.get_running_loop()
    me.clock, me.sleep = loop.time, asyncio.sleep
    start = loop.time()
    with pytest.raises(LeaseLostError):
        await me.hold()
    assert loop.time() - start < 0.4


async def test_a_missing_right_is_told_and_tried_again(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster.error = ForbiddenError(403, "Forbidden", "leases is forbidden")
    task = asyncio.create_task(cluster.candidate("me").acquire())
    await until(lambda: bool(caplog.messages))
    assert "allow get, create and update of leases" in caplog.messages[0]
    cluster.error = None
    async with asyncio.timeout(1):
        await task


async def test_the_log_names_the_holder_once(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    cluster.held_by("other")
    await cluster.candidate("me").acquire()
    assert [message for message in caplog.messages if "standing by" in message] == [
        "standing by: other holds lease ns/op"
    ]


@pytest.mark.parametrize("times", [(15, 15, 2), (15, 16, 2), (15, 2, 2), (15, 2.2, 2)])
def test_durations_that_do_not_fit_are_refused(times: tuple[float, float, float]) -> None:
    with pytest.raises(LeaseConfigError, match="MCPTASKS_LEASE_RENEW_SECONDS"):
        LeaseTimes(*times).check()


def test_the_defaults_fit() -> None:
    LeaseTimes(15, 10, 2).check()


def test_no_two_processes_have_the_same_identity() -> None:
    assert new_identity() != new_identity()
