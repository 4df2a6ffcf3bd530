"""Every failure has a stable reason and a message with the cause, the same everywhere; its log is not for callers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.conftest import Look
from tests.e2e.task_failures import explained
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

CASES: list[tuple[str, JsonObject, str, list[str]]] = [
    ("exit_with", {"code": 3}, "ExitCode", ["exit code 3"]),
    ("segfault", {}, "KilledBySignal", ["SIGSEGV"]),
    ("exit_with", {"code": 0}, "ResultMissing", ["delivered no result"]),
    ("too_slow", {}, "DeadlineExceeded", ["2 s"]),
    ("allocate_in_small", {"mebibytes": 2000}, "OOMKilled", ["160Mi"]),
    ("untemplated", {}, "TemplateNotFound", ["no-such-template"]),
    ("unstartable", {}, "ContainerCannotRun", ["/no/such/program"]),
    ("unpullable", {}, "ImagePullBackOff", ["unpullable.invalid/nothing:1"]),
    ("unschedulable", {}, "Unschedulable", ["cpu"]),
    ("without_secret", {}, "VolumeMountFailed", ["does-not-exist"]),
    ("without_variable", {}, "ContainerConfigError", ["does-not-exist"]),
    ("cut_off", {}, "GatewayUnreachable", ["gateway"]),
]

PRINTED = {"exit_with": "last words", "segfault": "last words", "cut_off": "http://127.0.0.1:1"}
"""What is in the log of a tool's process that dies."""


@pytest.mark.parametrize(("tool", "arguments", "reason", "parts"), CASES, ids=[f"{c[0]}-{c[2]}" for c in CASES])
def test_a_failure_is_explained(
    client: RawClient, look: Look, kubectl: Kubectl, tool: str, arguments: JsonObject, reason: str, parts: list[str]
) -> None:
    task_id = client.create(tool, arguments)
    status = explained(client, look, kubectl, task_id, reason, *parts)
    if (printed := PRINTED.get(tool)) is not None:
        assert printed in status["logTail"]
        assert printed not in status["message"]
        (event,) = [
            e for e in kubectl.list("events") if (e["involvedObject"]["name"], e["reason"]) == (task_id, reason)
        ]
        assert printed in event["message"]
    look.terminated(task_id, 90)
    look.no_running_pods(task_id)


@pytest.fixture
def used_up(kubectl: Kubectl) -> Iterator[str]:
    """A quota that refuses the Pods of one template only: no other asks for what it counts. Gives its name."""
    name, counted = "used-up", "requests.ephemeral-storage"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": {counted: "0"}}}
    kubectl.apply(quota)

    def counts() -> bool:
        status = kubectl.get("resourcequota", name).get("status") or {}
        return counted in (status.get("used") or {})

    try:
        eventually("the quota counts", counts)
        yield name
    finally:
        kubectl.run("delete", "resourcequota", name)


@pytest.mark.long
def test_a_pod_that_the_quota_denies_is_waited_for_until_the_start_deadline(
    client: RawClient, look: Look, kubectl: Kubectl, used_up: str
) -> None:
    task_id = client.create("beyond_quota")

    def says_why() -> bool:
        return "exceeded quota" in client.get(task_id).get("statusMessage", "")

    eventually("the task says what it waits for", says_why, 60)
    limits = "requested: requests.ephemeral-storage=1Mi", "limited: requests.ephemeral-storage=0"
    explained(
        client,
        look,
        kubectl,
        task_id,
        "QuotaExceeded",
        "not started within 20 s",
        f"exceeded quota: {used_up}",
        *limits,
    )
    look.terminated(task_id, 90)
    assert look.pods(task_id) == []
    assert look.jobs(task_id) == []
