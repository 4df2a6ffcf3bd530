"""One Job per task, whatever happens around it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.e2e.conftest import Deployment, Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient


def test_two_hundred_tasks_at_once_with_the_operator_killed_in_the_middle(
    client: RawClient, kubectl: Kubectl, look: Look, deployment: Deployment
) -> None:
    with ThreadPoolExecutor(16) as pool:
        tasks = list(pool.map(lambda n: client.create("add", {"a": n, "b": 1}, ttl=900_000), range(200)))
        assert len(set(tasks)) == 200
        deployment.kill("operator")
        ended = list(pool.map(lambda task_id: client.wait(task_id, seconds=400), tasks))
    assert [task["status"] for task in ended] == ["completed"] * 200
    jobs = [job["metadata"]["name"] for job in kubectl.list("jobs")]
    assert sorted(name for name in jobs if name in set(tasks)) == sorted(tasks)
    attempts = {item["metadata"]["name"]: item["status"]["attempts"] for item in kubectl.list("mcptasks")}
    assert {attempts[task_id] for task_id in tasks} == {1}
    results = {task_id: client.result(task_id)["structuredContent"]["total"] for task_id in tasks[:20]}
    assert list(results.values()) == [n + 1 for n in range(20)]
