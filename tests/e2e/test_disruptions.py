"""Disruptions: what an eviction, a node's kubelet and a late report of an earlier attempt do to a task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.cluster import ClusterDeployment
from tests.e2e.conftest import Deployment, Look
from tests.e2e.task_failures import explained
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

pytestmark = pytest.mark.long


def evict(kubectl: Kubectl, pod: str) -> None:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": kubectl.namespace},
    }
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods/{pod}/eviction"
    kubectl.run("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def test_an_evicted_task_fails_and_says_so(client: RawClient, look: Look, kubectl: Kubectl) -> None:
    task_id = client.create("nap", {"seconds": 120})
    evict(kubectl, look.running(task_id))
    status = explained(client, look, kubectl, task_id, "Evicted", "was evicted")
    assert status["attempts"] == 1
    look.terminated(task_id)
    look.no_running_pods(task_id)
    assert len(look.jobs(task_id)) == 1


def test_an_evicted_task_whose_tool_is_idempotent_runs_again(client: RawClient, look: Look, kubectl: Kubectl) -> None:
    task_id = client.create("nap_idempotent", {"seconds": 6})
    first = look.running(task_id)
    evict(kubectl, first)
    task = client.wait(task_id, seconds=120)
    status = look.status(task_id)
    assert (task["status"], status["attempts"]) == ("completed", 2), status
    assert status["podName"] != first
    assert client.result(task_id)["content"][0]["text"] == "rested"
    look.terminated(task_id)
    assert len(look.jobs(task_id)) == 1


@contextmanager
def drained(kubectl: Kubectl, node: str, task_id: str) -> Iterator[None]:
    """The node takes no more Pods, and the task's Pod has to leave it."""
    options = [f"--pod-selector=mcptasks.dev/task={task_id}", "--delete-emptydir-data", "--timeout=90s"]
    try:
        kubectl.run("drain", node, *options, seconds=120)
        yield
    finally:
        kubectl.run("uncordon", node)


def test_a_task_whose_node_is_drained_fails_and_says_so(client: RawClient, look: Look, kubectl: Kubectl) -> None:
    task_id = client.create("nap", {"seconds": 120})
    pod = look.running(task_id)
    with drained(kubectl, look.status(task_id)["nodeName"], task_id):
        status = explained(client, look, kubectl, task_id, "Evicted", pod, "drained", "call it again")
    assert (status["attempts"], status["podName"]) == (1, pod)
    look.terminated(task_id)
    look.no_running_pods(task_id)
    assert len(look.jobs(task_id)) == 1


def test_an_idempotent_task_whose_node_is_drained_runs_again_where_there_is_room(
    client: RawClient, look: Look, kubectl: Kubectl
) -> None:
    task_id = client.create("nap_idempotent", {"seconds": 8})
    first = look.running(task_id)
    node = look.status(task_id)["nodeName"]

    def next_pods() -> list[JsonObject]:
        return [pod for pod in look.pods(task_id) if pod["metadata"]["name"] != first]

    with drained(kubectl, node, task_id):
        (pod,) = eventually("the next attempt's Pod", next_pods)
        assert pod["spec"].get("nodeName") != node
        assert client.get(task_id)["status"] in ("working", "completed")
    assert client.wait(task_id, seconds=120)["status"] == "completed"
    status = look.status(task_id)
    assert (status["attempts"], status["podName"]) == (2, pod["metadata"]["name"])
    assert client.result(task_id)["content"][0]["text"] == "rested"
    look.terminated(task_id)
    assert len(look.jobs(task_id)) == 1


def test_a_late_report_of_an_earlier_attempt_is_refused(
    client: RawClient, look: Look, kubectl: Kubectl, deployment: Deployment
) -> None:
    """The first attempt has died and its Pod is still there: its token is a real one."""
    task_id = client.create("die_late", {"seconds": 12})
    first = look.running(task_id)
    earlier = kubectl.get("pod", first)
    eventually("the second attempt", lambda: look.status(task_id).get("podName") not in (None, first), 90)
    report = {"kind": "result", "text": '{"content":[{"type":"text","text":"late"}]}'}
    answer = httpx2.post(f"{deployment.gateway}/v1/outcome", json=report, headers=bearer(kubectl, earlier), timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (409, "Superseded")
    answer = httpx2.get(f"{deployment.gateway}/v1/assignment", headers=bearer(kubectl, earlier), timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (409, "Superseded")
    status = look.status(task_id)
    assert (status["phase"], status["attempts"]) == ("working", 2)
    assert client.wait(task_id, seconds=60)["status"] == "failed"
    assert look.status(task_id)["reason"] == "ExitCode"


def bearer(kubectl: Kubectl, pod: JsonObject) -> dict[str, str]:
    metadata = pod["metadata"]
    token = kubectl.run(
        "create",
        "token",
        pod["spec"]["serviceAccountName"],
        "--audience=mcptasks.dev/gateway",
        "--bound-object-kind=Pod",
        f"--bound-object-name={metadata['name']}",
        f"--bound-object-uid={metadata['uid']}",
    )
    return {"Authorization": f"Bearer {token.strip()}"}


def test_a_task_goes_on_while_kubelet_and_containerd_are_dead(
    client: RawClient, look: Look, deployment: Deployment
) -> None:
    if not (isinstance(deployment, ClusterDeployment) and deployment.has_machine):
        pytest.skip("needs a kubelet on this machine that can be killed")
    task_id = client.create("nap", {"seconds": 8})
    look.running(task_id)
    # Longer than the tool runs: the result is there before the kubelet is.
    deployment.kill_machine("kubelet", "containerd", seconds=10)
    assert client.wait(task_id, seconds=60)["status"] == "completed"
    assert look.status(task_id)["attempts"] == 1
    look.terminated(task_id, 90)
    assert len(look.jobs(task_id)) == 1
