"""TTL: never ends running work, is always what is reported, and removes every trace."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from mcptasks.settings import Settings
from tests.e2e.conftest import Deployment, Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

pytestmark = pytest.mark.long


def expires_at(task: dict[str, object]) -> float:
    created = datetime.fromisoformat(str(task["createdAt"])).timestamp()
    ttl = task["ttl"]
    assert isinstance(ttl, int)
    return created + ttl / 1000


@pytest.mark.parametrize("ttl", [0, 4_000])
def test_everything_is_gone_soon_after_the_reported_time_and_not_before(
    client: RawClient, look: Look, ttl: int
) -> None:
    task_id = client.create("add", {"a": 1, "b": 2}, ttl=ttl)
    task = client.wait(task_id)
    end = expires_at(task)
    while time.time() < end - 0.7:
        assert client.get(task_id)["ttl"] == task["ttl"]
        assert client.result(task_id)["structuredContent"]["total"] == 3
        time.sleep(0.2)
    look.gone(task_id, 30)
    assert time.time() >= end - 0.7
    assert client.old("tasks/get", {"taskId": task_id}).error["code"] == -32602


def test_running_work_outlives_its_ttl(client: RawClient, look: Look) -> None:
    task_id = client.create("nap", {"seconds": 8}, ttl=1_000)
    task = client.wait(task_id)
    assert task["status"] == "completed"
    assert client.result(task_id)["content"][0]["text"] == "rested"
    assert task["ttl"] > 8_000
    look.gone(task_id, 40)


def test_the_jobs_ttl_is_set_only_after_the_outcome(client: RawClient, look: Look) -> None:
    task_id = client.create("nap", {"seconds": 3}, ttl=60_000)
    look.running(task_id)
    (job,) = look.jobs(task_id)
    assert "ttlSecondsAfterFinished" not in job["spec"]
    client.wait(task_id)

    def ttl() -> int | None:
        jobs = look.jobs(task_id)
        found = jobs[0]["spec"].get("ttlSecondsAfterFinished") if jobs else None
        return int(found) if found is not None else None

    assert 0 < eventually("the Job's ttl", ttl) <= 60


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (None, Settings().default_ttl_seconds),
        (3_600_000 * 24, 3600 * 24),
        (10**12, Settings().max_ttl_seconds),
    ],
    ids=["null", "long", "beyond the limit"],
)
def test_a_long_ttl_is_what_is_reported_and_the_jobs_as_well(
    client: RawClient, look: Look, asked: int | None, seconds: int
) -> None:
    task_id = client.create("add", {"a": 1, "b": 2}, ttl=asked)
    task = client.wait(task_id)
    assert task["ttl"] == seconds * 1000
    expires = datetime.fromisoformat(look.status(task_id)["expiresAt"]).timestamp()
    assert abs(expires - expires_at(task)) < 1
    look.terminated(task_id)

    def kept_for() -> int:
        (job,) = look.jobs(task_id)
        return int(job["spec"].get("ttlSecondsAfterFinished") or 0)

    # The Job's counts from its end: it has run for a while.
    assert seconds - 120 < eventually("the Job's ttl", kept_for) <= seconds
    assert client.result(task_id)["structuredContent"]["total"] == 3


@pytest.mark.parametrize("how", ["cancelled", "failed", "job deleted"])
def test_tasks_that_did_not_complete_expire_as_well(client: RawClient, look: Look, kubectl: Kubectl, how: str) -> None:
    task_id = client.create(
        "tidy" if how != "failed" else "exit_with", {"seconds": 60} if how != "failed" else {"code": 4}, ttl=1_000
    )
    if how != "failed":
        look.running(task_id)
    if how == "cancelled":
        client.cancel(task_id)
    elif how == "job deleted":
        kubectl.run("delete", "job", task_id)
    assert client.wait(task_id)["status"] in ("cancelled", "failed")
    look.gone(task_id, 60)


def test_a_stored_payload_goes_with_its_task(client: RawClient, look: Look, deployment: Deployment) -> None:
    task_id = client.create("big", {"size": 500_000}, ttl=20_000)
    client.wait(task_id)
    uid = look.task(task_id)["metadata"]["uid"]
    assert look.status(task_id)["result"]["ref"]
    assert [entry for entry in deployment.stored() if uid in entry] != []
    look.gone(task_id, 60)
    assert [entry for entry in deployment.stored() if uid in entry] == []
    assert client.old("tasks/result", {"taskId": task_id}).error["code"] == -32602


def test_a_task_that_expires_while_the_operator_is_down_goes_when_it_returns(
    client: RawClient, look: Look, deployment: Deployment
) -> None:
    task_id = client.create("add", {"a": 1, "b": 2}, ttl=6_000)
    client.wait(task_id)
    look.terminated(task_id)
    deployment.scale("operator", 0)
    try:
        time.sleep(9)
        assert client.old("tasks/get", {"taskId": task_id}).error["code"] == -32602
    finally:
        deployment.scale("operator", 1)
    look.gone(task_id, 60)
