"""Two operators, one leader: when it dies the other takes over within the lease's time, and nothing is done twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from mcptasks.settings import Settings
from tests.e2e.api import ClusterApi
from tests.e2e.conftest import Deployment, Look
from tests.e2e.observer import ClusterObserver
from tests.e2e.periodic_look import PeriodicLook
from tests.support.mcp import RawClient
from tests.support.polling import eventually

pytestmark = pytest.mark.long

LEASE = "mcptasks-operator"
SLACK_SECONDS = 8.0


@dataclass(frozen=True)
class Term:
    """A state of the Lease."""

    holder: str
    acquired: float
    renewed: float
    duration: float
    transitions: int


class LeaseHistory(PeriodicLook):
    """Every state that the Lease was seen in, looked at many times a second."""

    def __init__(self, api: ClusterApi) -> None:
        super().__init__("lease-history", every_seconds=0.1)
        self._api = api
        self.terms: list[Term] = []

    def look(self) -> None:
        term = _term(self._api.lease(LEASE)["spec"])
        if not self.terms or self.terms[-1] != term:
            self.terms.append(term)


def _term(spec: dict[str, Any]) -> Term:
    return Term(
        holder=spec.get("holderIdentity") or "",
        acquired=datetime.fromisoformat(spec["acquireTime"]).timestamp(),
        renewed=datetime.fromisoformat(spec["renewTime"]).timestamp(),
        duration=float(spec["leaseDurationSeconds"]),
        transitions=int(spec.get("leaseTransitions") or 0),
    )


@pytest.fixture
def api(deployment: Deployment) -> Iterator[ClusterApi]:
    with ClusterApi(deployment.kubeconfig, deployment.namespace) as api:
        yield api


def test_the_other_operator_takes_over_within_the_lease_time_and_does_nothing_twice(
    client: RawClient, look: Look, deployment: Deployment, api: ClusterApi
) -> None:
    settings = Settings()
    eventually("there is a leader", deployment.leader, 60)
    with LeaseHistory(api) as history, ClusterObserver(api) as observer:
        running = client.create("nap", {"seconds": 10})
        look.running(running)
        before = [client.create("add", {"a": n, "b": 1}, ttl=300_000) for n in range(5)]
        killed = deployment.kill_leader()
        died = time.time()
        during = [client.create("add", {"a": n, "b": 1}, ttl=300_000) for n in range(5)]
        eventually("another one leads", lambda: deployment.leader() not in ("", killed), 60)
        took = time.time() - died
        tasks = [running, *before, *during]
        assert [client.wait(task_id, seconds=120)["status"] for task_id in tasks] == ["completed"] * 11
        for task_id in tasks:
            look.terminated(task_id)
    assert took < settings.lease_seconds + settings.lease_retry_seconds * 1.2 + SLACK_SECONDS
    assert {look.status(task_id)["attempts"] for task_id in tasks} == {1}
    assert {observer.jobs(task_id) for task_id in tasks} <= {0, 1}
    assert {observer.pods(task_id) for task_id in tasks} <= {0, 1}
    assert [len(look.jobs(task_id)) for task_id in tasks] == [1] * 11
    no_two_leaders_at_once(history.terms)
    assert len({term.holder for term in history.terms} - {""}) == 2
    deployment.ready("operator")


def no_two_leaders_at_once(terms: list[Term]) -> None:
    """A new leader comes when the old one has given up, or has not renewed for the whole duration of its Lease."""
    for old, new in pairwise(terms):
        if new.holder == old.holder:
            assert new.transitions == old.transitions
            assert new.acquired == old.acquired
        elif new.holder:
            assert new.transitions == old.transitions + 1
            assert not old.holder or new.acquired >= old.renewed + old.duration - 0.05


def test_the_leader_that_stops_hands_over_at_once(client: RawClient, look: Look, deployment: Deployment) -> None:
    """A stop is not a crash: nobody waits for the Lease to run out."""
    eventually("there is a leader", deployment.leader, 60)
    old = deployment.stop_leader()
    started = time.time()
    eventually("another one leads", lambda: deployment.leader() not in ("", old), 30)
    assert time.time() - started < Settings().lease_seconds
    task_id = client.create("add", {"a": 1, "b": 2})
    assert client.wait(task_id)["status"] == "completed"
    look.terminated(task_id)
    deployment.ready("operator")
