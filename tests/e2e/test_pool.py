"""The pool of a warm template, whole: workers come and go with the calls, and callers take turns.

It has an embedded cluster to itself, whose template is changed from test to test.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mcptasks.model.base import API_VERSION, LABEL_TEMPLATE, LABEL_WORKER, JsonObject
from mcptasks.model.task_template import Executor
from tests.e2e.embedded import EmbeddedDeployment, embedded, embedded_settings
from tests.e2e.templates import WARMED
from tests.support.mcp import RawClient
from tests.support.polling import eventually

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]

TEMPLATE = "default"
ONE_AT_A_TIME = {"tasksPerWorker": 0, "concurrency": 1, "idleSeconds": 3}


@dataclass(frozen=True)
class Pool:
    """The workers of the template that tools without one of their own name."""

    deployment: EmbeddedDeployment

    @property
    def client(self) -> RawClient:
        return RawClient(self.deployment.endpoint)

    def change(self, patch: JsonObject) -> None:
        arguments = ("patch", "mcptasktemplate", TEMPLATE, "--type=merge", "-p", json.dumps({"spec": patch}))
        self.deployment.kubectl.run(*arguments)

    def is_of(self, **warm: int) -> None:
        """Give the pool other limits, and wait until it keeps as many workers as it then should."""
        self.change({"warm": warm})
        least = warm["minWorkers"]
        # Down is slow: the calls of the test before are still expected to come again.
        eventually(f"{least} workers are kept", lambda: len(self.alive()) == least == len(self.ready()), 240, every=0.3)

    def workers(self) -> list[JsonObject]:
        return self.deployment.kubectl.list("pods", f"{LABEL_WORKER}=true,{LABEL_TEMPLATE}={TEMPLATE}")

    def alive(self) -> list[JsonObject]:
        return [pod for pod in self.workers() if pod["status"].get("phase") in ("Pending", "Running")]

    def ready(self) -> list[JsonObject]:
        def is_ready(pod: JsonObject) -> bool:
            found = {c["type"]: c["status"] for c in pod["status"].get("conditions") or ()}
            return found.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]

        return [pod for pod in self.alive() if is_ready(pod)]

    def status(self, task_id: str) -> JsonObject:
        found: JsonObject = self.deployment.kubectl.get("mcptask", task_id).get("status") or {}
        return found

    def submit(self, caller: str, seconds: float, count: int) -> list[str]:
        """Tasks of a caller, as a server with authentication makes them."""
        names = [f"{caller}-{secrets.token_hex(4)}" for _ in range(count)]
        self.deployment.kubectl.apply(*(_task(name, caller, seconds) for name in names))
        return names

    def completed(self, names: list[str]) -> list[JsonObject]:
        """The tasks' statuses once all have completed."""
        found: dict[str, JsonObject] = {}

        def all_done() -> bool:
            items = self.deployment.kubectl.list("mcptasks")
            found.update((item["metadata"]["name"], item.get("status") or {}) for item in items)
            return all(found.get(name, {}).get("finishedAt") for name in names)

        eventually(f"{len(names)} tasks have ended", all_done, 120, every=0.5)
        ended = [found[name] for name in names]
        assert {status["phase"] for status in ended} == {"completed"}, ended
        return ended


def _task(name: str, caller: str, seconds: float) -> JsonObject:
    spec = {
        "component": {"kind": "tool", "name": "nap"},
        "arguments": {"seconds": seconds, "steps": 1},
        "principal": {"subject": caller},
        "ttlMs": 600_000,
    }
    return {"apiVersion": API_VERSION, "kind": "McpTask", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    for deployment in embedded(tmp_path_factory.mktemp("redis"), embedded_settings(), Executor.WARM):
        for other in set(WARMED) - {TEMPLATE}:
            none = json.dumps({"spec": {"warm": {"minWorkers": 0}}})
            deployment.kubectl.run("patch", "mcptasktemplate", other, "--type=merge", "-p", none)
        yield Pool(deployment)


def moment(status: JsonObject, name: str) -> datetime:
    return datetime.fromisoformat(status[name])


def most_at_once(statuses: list[JsonObject]) -> int:
    """How many of the tasks ran at the same time, at most."""
    starts = [moment(status, "startedAt") for status in statuses]
    spans = [(moment(status, "startedAt"), moment(status, "finishedAt")) for status in statuses]
    return max(sum(since <= start < until for since, until in spans) for start in starts)


def watched(look: Callable[[], int], until: Callable[[], Any]) -> int:
    """The most that `look` has seen until the other one is through."""
    most = 0
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(until)
        while not done.done():
            most = max(most, look())
            time.sleep(0.3)
        done.result()
    return most


def test_workers_come_with_the_calls_and_go_when_there_are_none(pool: Pool) -> None:
    pool.is_of(**ONE_AT_A_TIME, minWorkers=0, maxWorkers=3)
    tasks = [pool.client.create("nap", {"seconds": 4}) for _ in range(6)]
    most = watched(lambda: len(pool.alive()), lambda: pool.completed(tasks))
    assert most == 3
    eventually("no worker is left", lambda: not pool.alive(), 60, every=0.5)


def test_a_changed_template_takes_new_calls_while_old_ones_run_to_their_end(pool: Pool, tmp_path: Path) -> None:
    pool.is_of(**ONE_AT_A_TIME, minWorkers=1, maxWorkers=2)
    (old,) = pool.ready()
    signal = tmp_path / "go-on"
    running = pool.client.create("wait_for_file", {"path": str(signal)})
    eventually("it runs", lambda: pool.status(running).get("podName") == old["metadata"]["name"])
    pool.change({"podTemplate": {"metadata": {"annotations": {"version": "2"}}}})
    after = pool.client.create("nap", {"seconds": 0.1})
    (second,) = pool.completed([after])
    assert pool.status(running)["phase"] == "working"
    signal.touch()
    assert second["podName"] != old["metadata"]["name"]
    (first,) = pool.completed([running])
    assert (first["podName"], first["attempts"]) == (old["metadata"]["name"], 1)

    def replaced() -> bool:
        versions = [(pod["metadata"].get("annotations") or {}).get("version") for pod in pool.alive()]
        return versions == ["2"]

    eventually("only workers of the new template are left", replaced, 60, every=0.5)


def test_one_call_of_a_caller_does_not_wait_for_all_of_anothers(pool: Pool) -> None:
    pool.is_of(**ONE_AT_A_TIME, minWorkers=1, maxWorkers=1)
    many = pool.submit("ann", 0.4, 20)
    eventually("the first one runs", lambda: any(pool.status(name).get("startedAt") for name in many))
    (one,) = pool.submit("bob", 0.1, 1)
    (his,), hers = pool.completed([one]), pool.completed(many)
    later = [status for status in hers if moment(status, "startedAt") > moment(his, "startedAt")]
    assert len(later) >= 10


def test_a_tools_tasks_run_only_so_many_at_a_time(pool: Pool) -> None:
    pool.is_of(tasksPerWorker=0, concurrency=6, idleSeconds=3, minWorkers=1, maxWorkers=2)
    tasks = [pool.client.create("nap_by_twos", {"seconds": 8}) for _ in range(5)]

    def told(task: str) -> bool:
        versions = pool.client.get(task), pool.client.new("tasks/get", {"taskId": task}).result
        return all("runs at most 2 at a time; " in str(found.get("statusMessage")) for found in versions)

    eventually("one is told why it waits, in both versions", lambda: any(told(task) for task in tasks))
    assert most_at_once(pool.completed(tasks)) == 2


def test_workers_for_one_task_are_refilled(pool: Pool) -> None:
    pool.is_of(minWorkers=2, maxWorkers=6, tasksPerWorker=1, concurrency=1, idleSeconds=3)
    tasks = [pool.client.create("nap", {"seconds": 0.2}) for _ in range(5)]
    pods = [status["podName"] for status in pool.completed(tasks)]
    assert len(set(pods)) == 5
    eventually("two workers are ready again", lambda: len(pool.ready()) == 2 == len(pool.alive()), 240, every=0.5)
    assert set(pods).isdisjoint(pod["metadata"]["name"] for pod in pool.ready())
