"""The Pods of workers, and the Jobs of the tasks that they run."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks.settings import Settings
from mcptasks_operator.deciding.object_facts import MANAGED_BY_WARM, job_facts, pod_facts
from mcptasks_operator.deciding.pod_spec import InvalidTemplateError
from mcptasks_operator.deciding.worker_manifests import (
    TemplateObject,
    current_pod_hash,
    finished_job_status,
    make_warm_job,
    make_worker,
    worker_name,
)
from tests.unit.operator.builders import at, ended_status, make_task

SETTINGS = Settings(runner_image="local/mcptasks:1", gateway_url="http://gateway:8001")


def template(**spec: Any) -> TemplateObject:
    return TemplateObject(
        "team", "warm", "template-uid", McpTaskTemplateSpec.model_validate({"executor": "Warm", **spec})
    )


def runner(pod: JsonObject) -> JsonObject:
    found: JsonObject = pod["spec"]["containers"][0]
    return found


def test_a_worker_is_a_pod_of_its_template() -> None:
    pod = make_worker(template(warm={"tasksPerWorker": 0, "concurrency": 5}), "warm-w-abcd", SETTINGS)
    metadata = pod["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("warm-w-abcd", "team")
    assert metadata["ownerReferences"][0]["uid"] == "template-uid"
    assert metadata["annotations"]["mcptasks.dev/tasks-per-worker"] == "0"
    assert metadata["annotations"]["mcptasks.dev/concurrency"] == "5"
    facts = pod_facts({**pod, "metadata": {**metadata, "uid": "u"}})
    assert facts.worker is not None
    assert facts.owner is not None
    assert facts.owner.uid == "template-uid"


def test_it_runs_the_worker_command_with_what_a_task_has() -> None:
    container = runner(make_worker(template(), "warm-w-abcd", SETTINGS))
    assert (container["image"], container["command"]) == ("local/mcptasks:1", ["mcptasks", "worker"])
    variables = {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}
    assert variables["MCPTASKS_GATEWAY_URL"] == "http://gateway:8001"
    assert variables["MCPTASKS_WORKER_HOST"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert "MCPTASKS_TASK_ID" not in variables
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_it_has_no_deadline_and_never_starts_anew() -> None:
    spec = make_worker(template(podTemplate={"spec": {"activeDeadlineSeconds": 60}}), "warm-w-abcd", SETTINGS)["spec"]
    assert "activeDeadlineSeconds" not in spec
    assert spec["restartPolicy"] == "Never"


def test_a_name_is_no_longer_than_a_host_name() -> None:
    long = TemplateObject("team", f"{'a' * 51}.{'b' * 60}", "uid", McpTaskTemplateSpec())
    assert worker_name(long, "abcdabcd") == f"{'a' * 51}-w-abcdabcd"


@pytest.mark.parametrize(
    "other",
    [
        {"podTemplate": {"spec": {"nodeName": "x"}}},
        {"warm": {"tasksPerWorker": 5}},
        {"warm": {"tasksPerWorker": 0, "concurrency": 2}},
        {"userId": "Platform"},
    ],
)
def test_workers_are_outdated_once_their_template_makes_other_pods(other: JsonObject) -> None:
    assert current_pod_hash(template(**other), SETTINGS) != current_pod_hash(template(), SETTINGS)


def test_an_image_of_the_operator_counts_and_the_size_of_the_pool_does_not() -> None:
    other = SETTINGS.model_copy(update={"runner_image": "local/mcptasks:2"})
    assert current_pod_hash(template(), other) != current_pod_hash(template(), SETTINGS)
    assert current_pod_hash(template(warm={"minWorkers": 9}), SETTINGS) == current_pod_hash(template(), SETTINGS)


def test_the_hash_is_the_label_of_the_pod() -> None:
    labels = make_worker(template(), "warm-w-abcd", SETTINGS)["metadata"]["labels"]
    assert labels["mcptasks.dev/template-hash"] == current_pod_hash(template(), SETTINGS)


def test_a_template_that_makes_no_pod_says_where() -> None:
    with pytest.raises(InvalidTemplateError, match="containers"):
        make_worker(template(podTemplate={"spec": {"containers": "x"}}), "warm-w-abcd", SETTINGS)


def test_the_job_is_left_alone_by_the_job_controller() -> None:
    job = make_warm_job(make_task(), McpTaskTemplateSpec(), SETTINGS, 60)
    assert job["spec"]["managedBy"] == MANAGED_BY_WARM
    assert job["spec"]["ttlSecondsAfterFinished"] == 60
    facts = job_facts({**job, "metadata": {**job["metadata"], "uid": "j"}})
    assert facts.managed_by == MANAGED_BY_WARM
    assert facts.belongs_to("task-uid")


def test_a_completed_task_completes_its_job() -> None:
    status = finished_job_status(make_task(status=ended_status("completed")), at(11))
    assert [c["type"] for c in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert (status["startTime"], status["completionTime"]) == ("2026-11-22T12:00:02Z", "2026-11-22T12:00:10Z")
    assert (status["active"], status["succeeded"]) == (0, 1)


def test_a_failed_one_fails_it_and_has_no_completion_time() -> None:
    status = finished_job_status(make_task(status=ended_status("failed")), at(11))
    assert [(c["type"], c["reason"]) for c in status["conditions"]] == [
        ("FailureTarget", "ExitCode"),
        ("Failed", "ExitCode"),
    ]
    assert "completionTime" not in status
    assert status["failed"] == 1


@pytest.mark.parametrize("reason", ["ToolError", "RequestError", "ResultMissing"])
def test_one_whose_process_ended_with_code_0_completes_it_as_with_a_pod(reason: str) -> None:
    status = finished_job_status(make_task(status=ended_status("failed") | {"reason": reason}), at(11))
    assert [(c["type"], c["reason"]) for c in status["conditions"]] == [
        ("SuccessCriteriaMet", reason),
        ("Complete", reason),
    ]
    assert "failed" not in status


def test_a_null_of_a_template_makes_no_other_workers_than_its_absence() -> None:
    nulls = template(podTemplate={"spec": {"automountServiceAccountToken": None, "nodeSelector": {"disk": None}}})
    made = make_worker(nulls, "w", SETTINGS)["spec"]
    assert made == make_worker(template(podTemplate={"spec": {"nodeSelector": {}}}), "w", SETTINGS)["spec"]
