"""One Job per task, whatever happens around it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.api import ClusterApi
from tests.e2e.cluster import ClusterDeployment
from tests.e2e.conftest import LONG_ENOUGH_MS, Deployment, Look
from tests.e2e.faults.patient_client import PatientClient
from tests.e2e.observer import ClusterObserver
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually


@pytest.mark.timeout(1200)
def test_a_crowd_of_tasks_with_the_operator_killed_in_the_middle(
    client: RawClient, kubectl: Kubectl, deployment: Deployment, crowd: int
) -> None:
    with ThreadPoolExecutor(16) as pool:
        created = pool.map(lambda n: client.create("add_in_turn", {"a": n, "b": 1}, ttl=LONG_ENOUGH_MS), range(crowd))
        tasks = list(created)
        assert len(set(tasks)) == crowd
        deployment.kill("operator")
        ended = list(pool.map(lambda task_id: client.wait(task_id, seconds=900, every=2), tasks))
    assert [task["status"] for task in ended] == ["completed"] * crowd
    status = {item["metadata"]["name"]: item["status"] for item in kubectl.list("mcptasks")}
    assert {status[task_id]["attempts"] for task_id in tasks} == {1}
    assert [status[task_id]["jobName"] for task_id in tasks] == tasks
    known = set(tasks)
    # A second Job would have started a second Pod. (The first may be gone: a process that lingers loses its Job.)
    pods = [pod["metadata"]["labels"]["mcptasks.dev/task"] for pod in kubectl.list("pods", "mcptasks.dev/task")]
    assert max(Counter(name for name in pods if name in known).values()) == 1
    results = {task_id: client.result(task_id)["structuredContent"]["total"] for task_id in tasks[:20]}
    assert list(results.values()) == [n + 1 for n in range(len(results))]
    # Removing hundreds takes a minute, in which the next tests can run.
    kubectl.run("delete", "mcptasks", *tasks, "--wait=false")


def many_tasks_once(
    client: RawClient, kubectl: Kubectl, deployment: Deployment, disturb: Callable[[], None], count: int = 24
) -> None:
    """Create tasks, disturb them when some have ended, and find that each has run once and has one Job."""
    patient = PatientClient(client)
    with ClusterApi(deployment.kubeconfig, deployment.namespace) as api, ClusterObserver(api) as observer:
        with ThreadPoolExecutor(8) as pool:
            tasks = list(
                pool.map(lambda n: patient.create("add_in_turn", {"a": n, "b": 1}, ttl=LONG_ENOUGH_MS), range(count))
            )
            patient.ended(tasks[0], 60)
            disturb()
            ended = list(pool.map(lambda task_id: patient.ended(task_id, 240), tasks))
        assert [task and task["status"] for task in ended] == ["completed"] * count
        totals = [task["result"]["structuredContent"]["total"] for task in ended if task]
        assert totals == [n + 1 for n in range(count)]
        seen = {task_id: (observer.jobs(task_id), observer.pods(task_id)) for task_id in tasks}
        assert [task_id for task_id, (jobs, pods) in seen.items() if max(jobs, pods) > 1] == []
    known = set(tasks)
    jobs = [job["metadata"]["name"] for job in kubectl.list("jobs") if job["metadata"]["name"] in known]
    assert sorted(jobs) == sorted(tasks)
    attempts = [item["status"]["attempts"] for item in kubectl.list("mcptasks") if item["metadata"]["name"] in known]
    assert attempts == [1] * count


def test_a_pod_too_many_does_not_run_the_tool(client: RawClient, kubectl: Kubectl, look: Look) -> None:
    """The Job controller makes one where the API server dies while it makes the first."""
    task_id = client.create("nap", {"seconds": 8})
    pod = look.running(task_id)
    kubectl.apply(twin_of(kubectl.get("pod", pod)))
    completed_in(pod, task_id, client, look)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_pod_too_many_that_has_started_waits_until_it_is_deleted(
    client: RawClient, kubectl: Kubectl, look: Look, deployment: Deployment
) -> None:
    """Who would delete it at once is away for some seconds."""
    if not (isinstance(deployment, ClusterDeployment) and deployment.has_machine):
        pytest.skip("needs a controller manager on this machine that can be killed: set MCPTASKS_CLUSTER_TOOL")
    task_id = client.create("nap", {"seconds": 16})
    pod = look.running(task_id)
    twin = twin_of(kubectl.get("pod", pod))
    name = twin["metadata"]["name"]
    with ThreadPoolExecutor(1) as pool:
        away = pool.submit(deployment.kill_machine, "kube-controller-manager", seconds=8)
        time.sleep(1)
        kubectl.apply(twin)
        eventually("it waits", lambda: "still runs the task" in kubectl.run("logs", name, check=False), 30)
        away.result()
    eventually("it is deleted", lambda: kubectl.find("pod", name) is None, 60)
    completed_in(pod, task_id, client, look)


def completed_in(pod: str, task_id: str, client: RawClient, look: Look) -> None:
    """The task completes in its only attempt, in that Pod."""
    assert client.wait(task_id)["status"] == "completed"
    status = look.status(task_id)
    assert (status["attempts"], status["podName"]) == (1, pod)
    look.terminated(task_id)
    look.no_running_pods(task_id)


def twin_of(pod: JsonObject) -> JsonObject:
    """The same Pod once more, for the same Job, as it was made."""
    metadata = {key: pod["metadata"][key] for key in ("namespace", "labels", "ownerReferences", "finalizers")}
    metadata["name"] = f"{pod['metadata']['name']}x"
    spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.long
def test_two_operators_that_both_lead_make_one_job_per_task(
    client: RawClient, kubectl: Kubectl, deployment: Deployment
) -> None:
    """Leases of their own: neither knows of the other, and each acts on every task."""
    deployment.start_rival()
    try:
        many_tasks_once(client, kubectl, deployment, disturb=lambda: None)
    finally:
        deployment.stop_rival()


@pytest.mark.long
def test_the_api_server_killed_in_the_middle_of_many_tasks(
    client: RawClient, kubectl: Kubectl, deployment: Deployment
) -> None:
    if not deployment.has_machine:
        pytest.skip("needs an API server on this machine that can be killed: set MCPTASKS_CLUSTER_TOOL")
    many_tasks_once(client, kubectl, deployment, disturb=lambda: deployment.kill_api(4))
