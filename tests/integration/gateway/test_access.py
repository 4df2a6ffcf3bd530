"""Who may call the gateway, with real tokens of Pods."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from mcptasks.gateway.contract import ASSIGNMENT_PATH, INPUT_PATH, OUTCOME_PATH, PROGRESS_PATH
from mcptasks.gateway.pod_directory import PodDirectory
from mcptasks.gateway.refusals import RefusedError
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS, PODS, SERVICE_ACCOUNTS, TOKEN_REVIEWS, Resource
from mcptasks.kube.task_objects import TaskClient
from mcptasks.model.base import LABEL_TASK_UID, JsonObject
from mcptasks.model.task import Phase
from mcptasks.settings import GATEWAY_AUDIENCE
from tests.integration.gateway.harness import GatewayWorld, code, owner, result

pytestmark = pytest.mark.anyio

CALLS = [("GET", ASSIGNMENT_PATH, None), ("POST", PROGRESS_PATH, {"current": 1}), ("POST", OUTCOME_PATH, result())]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_without_a_token_nothing_is_answered(world: GatewayWorld, method: str, path: str, body: Any) -> None:
    async with world.gateway() as http:
        answer = await http.request(method, path, json=body)
        assert code(answer) == (401, "Unauthenticated")
        basic = await http.request(method, path, json=body, headers={"Authorization": "Basic dXNlcjpwYXNz"})
        assert code(basic) == (401, "Unauthenticated")


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "é" * 10, "x" * 10_000])
async def test_a_token_that_is_not_one_is_refused(
    world: GatewayWorld, method: str, path: str, body: Any, token: str
) -> None:
    headers = {b"Authorization": f"Bearer {token}".encode()}
    async with world.gateway() as http:
        answer = await http.request(method, path, json=body, headers=headers)
    assert code(answer) == (401, "Unauthenticated")


async def test_health_needs_no_token(world: GatewayWorld) -> None:
    async with world.gateway() as http:
        assert (await http.get("/healthz")).status_code == 200


async def test_the_admins_token_is_not_a_pods(world: GatewayWorld) -> None:
    assert (await world.call("GET", ASSIGNMENT_PATH, world.cluster.admin_token)).status_code == 401


async def test_a_token_for_another_audience_is_refused(world: GatewayWorld) -> None:
    pod = await world.pod(await world.submit())
    answer = await world.call("GET", ASSIGNMENT_PATH, await world.token(pod, "https://kubernetes.default.svc"))
    assert code(answer) == (401, "Unauthenticated")


async def test_an_expired_token_is_refused(world: GatewayWorld) -> None:
    pod = await world.pod(await world.submit())
    answer = await world.call("GET", ASSIGNMENT_PATH, await world.expired_token(pod))
    assert code(answer) == (401, "Unauthenticated")


async def test_the_token_of_a_deleted_pod_is_refused(world: GatewayWorld) -> None:
    runner = await world.runner(await world.submit())
    await world.kube.delete(PODS, runner.pod["metadata"]["name"], world.namespace, grace_seconds=0)
    assert code(await runner.fetch()) == (401, "Unauthenticated")


async def test_a_token_that_is_bound_to_no_pod_is_refused(world: GatewayWorld) -> None:
    answer = await world.call("GET", ASSIGNMENT_PATH, await world.token(None))
    assert code(answer) == (403, "NotATaskPod")


@pytest.mark.parametrize("metadata", [{}, {"labels": {LABEL_TASK_UID: "some-uid"}}])
async def test_a_foreign_pod_is_refused(world: GatewayWorld, metadata: JsonObject) -> None:
    body = {
        "metadata": {"name": "foreign", **metadata},
        "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "c", "image": "local"}]},
    }
    pod = await world.kube.create(PODS, body, world.namespace)
    assert code(await world.call("GET", ASSIGNMENT_PATH, await world.token(pod))) == (403, "NotATaskPod")


async def test_a_pod_that_claims_another_tasks_uid_gets_neither_task(world: GatewayWorld) -> None:
    mine, others = await world.submit(), await world.submit()
    job = await world.kube.get(Resource("batch", "v1", "jobs"), mine["metadata"]["name"], world.namespace)
    body = {
        "metadata": {
            "name": "forged",
            "labels": {LABEL_TASK_UID: others["metadata"]["uid"]},
            "ownerReferences": [owner(job, "Job", "batch/v1")],
        },
        "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "c", "image": "local"}]},
    }
    pod = await world.kube.create(PODS, body, world.namespace)
    token = await world.token(pod)
    assert code(await world.call("GET", ASSIGNMENT_PATH, token)) == (410, "TaskGone")
    assert code(await world.call("POST", OUTCOME_PATH, token, result())) == (410, "TaskGone")
    assert (await world.task(mine)).phase is Phase.WORKING
    assert (await world.task(others)).status.pod_uid is None


async def test_a_pod_gets_and_ends_its_own_task_only(world: GatewayWorld) -> None:
    one, other = await world.submit(arguments={"n": 1}), await world.submit(arguments={"n": 2})
    runner = await world.runner(one)
    assert (await runner.fetch()).json()["argumentsText"] == '{"n": 1}'
    assert (await runner.deliver(result())).status_code == 204
    assert (await world.task(one)).phase is Phase.COMPLETED
    assert (await world.task(other)).phase is Phase.WORKING


async def test_the_pod_of_a_deleted_task_has_nothing_left_to_do(world: GatewayWorld) -> None:
    task = await world.submit()
    runner = await world.claimed(task)
    await world.kube.delete(MCP_TASKS, task["metadata"]["name"], world.namespace, propagation="Orphan")
    assert code(await runner.report(1)) == (410, "TaskGone")
    assert code(await runner.deliver(result())) == (410, "TaskGone")


async def test_a_new_task_of_the_same_name_is_another_one(world: GatewayWorld) -> None:
    task = await world.submit()
    runner = await world.claimed(task)
    name = task["metadata"]["name"]
    await world.kube.delete(MCP_TASKS, name, world.namespace, propagation="Orphan")
    body = {key: task[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name}}
    again = await world.kube.create(MCP_TASKS, body, world.namespace)
    assert code(await runner.deliver(result())) == (410, "TaskGone")
    assert (await world.task(again)).phase is Phase.WORKING


class CountingClient(KubeClient):
    """Counts what it creates and reads, by kind."""

    def __init__(self, other: KubeClient) -> None:
        super().__init__(other.configuration)
        self.calls: list[str] = []

    async def create(self, resource: Resource, body: JsonObject, namespace: str | None = None) -> JsonObject:
        self.calls.append(f"create {resource.plural}")
        return await super().create(resource, body, namespace)

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> JsonObject:
        self.calls.append(f"get {resource.plural}")
        return await super().get(resource, name, namespace)


async def test_token_and_pod_are_asked_for_once_and_the_task_each_time(world: GatewayWorld) -> None:
    async with CountingClient(world.kube) as kube:
        counted = GatewayWorld(kube, world.cluster, world.namespace)
        async with counted:
            task = await counted.submit()
            runner = await counted.runner(task)
            kube.calls.clear()
            await runner.fetch()
            await runner.report(1)
            await runner.deliver(result())
    assert kube.calls.count(f"create {TOKEN_REVIEWS.plural}") == 1
    assert kube.calls.count(f"get {PODS.plural}") == 1
    assert kube.calls.count(f"get {MCP_TASKS.plural}") == 3


async def test_a_no_is_not_remembered(world: GatewayWorld) -> None:
    pod = await world.pod(await world.submit())
    wrong, right = await world.token(pod, "other"), await world.token(pod)
    assert (await world.call("GET", ASSIGNMENT_PATH, wrong)).status_code == 401
    assert (await world.call("GET", ASSIGNMENT_PATH, right)).status_code == 200


async def test_an_api_server_that_is_away_is_worth_trying_again(world: GatewayWorld) -> None:
    runner = await world.runner(await world.submit())
    world.cluster.run(world.cluster.cluster.stop_api())
    try:
        answer = await runner.fetch()
        assert code(answer) == (503, "Unavailable")
        assert "127.0.0.1" not in answer.text
    finally:
        world.cluster.run(world.cluster.cluster.start_api())
    assert (await runner.fetch()).status_code == 200


async def test_an_api_server_that_refuses_the_gateway_is_told_in_its_log(
    world: GatewayWorld, caplog: pytest.LogCaptureFixture
) -> None:
    runner = await world.runner(await world.submit())
    configuration = world.kube.configuration
    account = await world.kube.get(SERVICE_ACCOUNTS, "default", world.namespace)
    powerless = world.cluster.call(world.cluster.cluster.tokens.issue, account, (), 600).token
    limited = type(configuration)(host=configuration.host)
    limited.ssl_ca_cert, limited.ca_cert_data = configuration.ssl_ca_cert, configuration.ca_cert_data
    limited.api_key = {"BearerToken": f"Bearer {powerless}"}
    async with KubeClient(limited) as kube, GatewayWorld(kube, world.cluster, world.namespace) as denied:
        with caplog.at_level(logging.ERROR):
            answer = await denied.call("GET", ASSIGNMENT_PATH, runner.token)
    assert code(answer) == (503, "Unavailable")
    assert "see the gateway's log" in answer.json()["message"]
    assert "tokenreviews" in caplog.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PROGRESS_PATH, b"no json"),
        (PROGRESS_PATH, b'{"current": "x"}'),
        (PROGRESS_PATH, b'{"current": NaN}'),
        (OUTCOME_PATH, b""),
        (OUTCOME_PATH, b"{}"),
        (OUTCOME_PATH, b'{"kind": "other"}'),
        (OUTCOME_PATH, b'{"kind": "result", "text": "\\ud800"}'),
        (OUTCOME_PATH, b'{"kind": "result", "text": "not json"}'),
        (OUTCOME_PATH, b'{"kind": "error", "code": 1e30, "message": ""}'),
        (OUTCOME_PATH, b'{"kind": "error", "code": 1, "message": "", "dataText": "\\"\\\\ud800\\""}'),
        (INPUT_PATH, b'{"questions": [{"key": "1", "method": "m", "paramsText": "[]"}]}'),
        (INPUT_PATH, b'{"questions": [{"key": "1", "method": "m", "paramsText": "{\\"message\\": \\"\\\\ud800\\"}"}]}'),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_without_its_content(
    world: GatewayWorld, path: str, body: bytes
) -> None:
    task = await world.submit(inputTimeoutSeconds=60)
    runner = await world.claimed(task)
    headers = {"Authorization": f"Bearer {runner.token}"}
    async with world.gateway() as http:
        answer = await http.post(path, content=body, headers=headers)
    assert code(answer) == (422, "Invalid")
    assert (await world.task(task)).phase is Phase.WORKING


class FaultyTasks(TaskClient):
    """Fails as nobody foresaw."""

    async def get(self, namespace: str, name: str) -> JsonObject:
        raise RuntimeError("a secret of the gateway's")


async def test_a_fault_of_the_gateway_is_in_its_log_and_nowhere_else(
    world: GatewayWorld, caplog: pytest.LogCaptureFixture
) -> None:
    runner = await world.runner(await world.submit())
    async with world.gateway(tasks=FaultyTasks(world.kube)) as http:
        answer = await runner.at(http).fetch()
    assert (answer.status_code, answer.json()["code"]) == (500, "Unavailable")
    assert "secret" not in answer.text
    assert "RuntimeError: a secret of the gateway's" in caplog.text


async def test_the_pod_of_a_refused_token_is_read_once_in_a_while(world: GatewayWorld) -> None:
    body = {
        "metadata": {"name": "foreign"},
        "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "c", "image": "local"}]},
    }
    pod = await world.kube.create(PODS, body, world.namespace)
    token = await world.token(pod)
    now = 0.0
    directory = PodDirectory(world.kube, GATEWAY_AUDIENCE, lambda: now)
    for _ in range(2):
        with pytest.raises(RefusedError, match="is not controlled by a Job"):
            await directory.identify(token)
        # What makes it a task's is never added to a Pod; here it shows whether it was read.
        owners = {"metadata": {"ownerReferences": [owner(pod, "Job", "batch/v1")], "labels": {LABEL_TASK_UID: "u"}}}
        await world.kube.patch(PODS, "foreign", owners, world.namespace)
    now = 6.0
    assert (await directory.identify(token)).uid == pod["metadata"]["uid"]
