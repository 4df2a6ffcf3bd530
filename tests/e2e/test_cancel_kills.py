"""Cancel ends the process: politely, then by force, children included; and stays."""

from __future__ import annotations

import re
import secrets
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.conftest import LONG_ENOUGH_MS, Deployment, Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

AT_ONCE = 12


def start(client: RawClient, look: Look, tool: str, **arguments: object) -> str:
    """A task whose tool has said that it runs."""
    task_id = client.create(tool, arguments)
    look.running(task_id)
    pod = look.status(task_id)["podName"]
    eventually("the tool has begun", lambda: said_by_tool(look.log(pod)))
    return task_id


def said_by_tool(log: str) -> list[str]:
    """The lines of a Pod's log without the one in which the runner says what it is about to run."""
    return [line for line in log.splitlines() if line.strip() and "attempt 1: " not in line]


def seconds_of(condition: dict[str, str]) -> float:
    found = re.search(r"([\d.]+) s", condition["message"])
    assert found, condition
    return float(found.group(1))


def test_tasks_cancel(client: RawClient, look: Look) -> None:
    task_id = start(client, look, "tidy", seconds=120)
    pod = look.status(task_id)["podName"]
    assert client.cancel(task_id)["status"] == "cancelled"
    condition = look.terminated(task_id)
    assert seconds_of(condition) < 20
    assert look.jobs(task_id) == []
    look.no_pods(task_id)
    assert pod not in [found["metadata"]["name"] for found in look.pods(task_id)]
    assert client.get(task_id)["status"] == "cancelled"


def test_the_tool_gets_to_clean_up(client: RawClient, look: Look, kubectl: Kubectl) -> None:
    task_id = start(client, look, "tidy", seconds=120)
    command = kubectl.command("logs", "-f", look.status(task_id)["podName"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        lines = iter(follower.stdout.readline, "")
        assert any("working" in line for line in lines)
        client.cancel(task_id)
        assert any("cleaned up" in line for line in lines)


def test_spec_cancel(client: RawClient, look: Look, kubectl: Kubectl) -> None:
    task_id = start(client, look, "tidy", seconds=120)
    kubectl.run("patch", "mcptask", task_id, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    task = client.wait(task_id)
    assert task["status"] == "cancelled"
    look.terminated(task_id)
    assert look.status(task_id)["reason"] == "CancelledBySpec"
    look.no_pods(task_id)


def test_kubectl_delete_mcptask_removes_everything(client: RawClient, look: Look, kubectl: Kubectl) -> None:
    task_id = start(client, look, "tidy", seconds=120)
    kubectl.run("delete", "mcptask", task_id)
    look.gone(task_id)
    assert client.old("tasks/get", {"taskId": task_id}).error["code"] == -32602


def test_kubectl_delete_job_cancels(client: RawClient, look: Look, kubectl: Kubectl) -> None:
    task_id = start(client, look, "tidy", seconds=120)
    kubectl.run("delete", "job", task_id)
    assert client.wait(task_id)["status"] == "cancelled"
    look.terminated(task_id)
    assert look.status(task_id)["reason"] == "JobDeleted"
    assert look.jobs(task_id) == []


@pytest.mark.long
def test_a_tool_that_ignores_sigterm_dies_after_the_grace_period(client: RawClient, look: Look) -> None:
    task_id = start(client, look, "stubborn", seconds=120)
    client.cancel(task_id)
    condition = look.terminated(task_id)
    # The tests' templates give three seconds of grace.
    assert 2.5 < seconds_of(condition) < 30
    look.no_pods(task_id)


@pytest.mark.parametrize("detached", [False, True])
def test_child_processes_die_too(client: RawClient, look: Look, deployment: Deployment, detached: bool) -> None:
    # A number of its own: other runs on this machine have such processes as well.
    seconds = 7000 + secrets.randbelow(10**6)
    task_id = start(client, look, "fork", seconds=seconds, detached=detached)
    # Those of a cluster elsewhere cannot be seen from here.
    assert processes_with(f"time.sleep({seconds}.") or not deployment.has_machine
    client.cancel(task_id)
    look.terminated(task_id)
    look.no_pods(task_id)
    assert not processes_with(f"time.sleep({seconds}.")


def processes_with(text: str) -> list[int]:
    """Process ids on this machine whose command line contains the text."""
    import psutil

    return [p.pid for p in psutil.process_iter(["cmdline"]) if any(text in part for part in p.info["cmdline"] or ())]


def test_a_task_that_has_not_started_is_cancelled_as_well(client: RawClient, look: Look) -> None:
    task_id = client.create("nap", {"seconds": 60})
    assert client.cancel(task_id)["status"] == "cancelled"
    look.terminated(task_id)
    assert look.jobs(task_id) == []


@pytest.mark.long
def test_cancel_with_the_operator_down_takes_effect_when_it_returns(
    client: RawClient, look: Look, deployment: Deployment
) -> None:
    task_id = start(client, look, "tidy", seconds=300)
    deployment.scale("operator", 0)
    try:
        assert client.cancel(task_id)["status"] == "cancelled"
        assert look.pods(task_id) != []
    finally:
        deployment.scale("operator", 1)
    look.terminated(task_id)
    look.no_pods(task_id)


@pytest.mark.timeout(1200)
def test_a_cancelled_task_stays_cancelled_whatever_the_tool_does_in_the_same_instant(
    client: RawClient, look: Look, crowd: int
) -> None:
    """Many races between a cancel and the tool's end; each has one outcome, and it never changes."""

    def race(number: int) -> Race:
        task_id = client.create("countdown", {"seconds": 4.0}, ttl=LONG_ENOUGH_MS)
        end = eventually("the tool has begun", lambda: end_of(client.get(task_id)), 120, every=1)
        # From just before the end to some time after the result has arrived, most of them close to the end.
        time.sleep(max(0.0, end - 0.1 + 2 * (number / crowd) ** 2 - time.time()))
        answer = client.old("tasks/cancel", {"taskId": task_id}).message
        return Race(task_id, "result" in answer, client.wait(task_id, every=1)["status"])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        races = list(pool.map(race, range(crowd)))
    for race_ in races:
        look.terminated(race_.task_id)
    assert [race_ for race_ in races if race_.end != ("cancelled" if race_.accepted else "completed")] == []
    assert {race_.task_id: client.get(race_.task_id)["status"] for race_ in races} == {r.task_id: r.end for r in races}
    assert {race_.accepted for race_ in races} == {True, False}


def end_of(task: JsonObject) -> float | None:
    """When the tool ends, once it has said so; long ago where it has ended already."""
    if task["status"] != "working":
        return 1.0
    found = re.search(r"ends at ([\d.]+)", task.get("statusMessage", ""))
    return float(found.group(1)) if found else None


@dataclass(frozen=True)
class Race:
    """One race: whether the cancel was accepted, and the task's phase after it."""

    task_id: str
    accepted: bool
    end: str
