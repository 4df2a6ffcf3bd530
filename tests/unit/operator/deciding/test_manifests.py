"""The Job of a task: what the template leaves out is filled in, what it says stays."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks.settings import Settings
from mcptasks_operator.deciding.manifests import make_job
from mcptasks_operator.deciding.object_facts import job_facts
from mcptasks_operator.deciding.pod_spec import InvalidTemplateError
from tests.unit.operator.builders import TASK, UID, make_task
from tests.unit.operator.deciding.job_manifests import SETTINGS, env, job, pod_spec, runner, with_runner


def test_the_job_belongs_to_its_task_and_has_its_name() -> None:
    made = job()
    assert made["metadata"]["name"] == TASK
    (owner,) = made["metadata"]["ownerReferences"]
    assert owner == {
        "apiVersion": "mcptasks.dev/v1alpha1",
        "kind": "McpTask",
        "name": TASK,
        "uid": UID,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def test_job_and_pod_carry_the_labels_by_which_they_are_found() -> None:
    made = job({"metadata": {"labels": {"team": "ml", "mcptasks.dev/task": "forged"}}})
    expected = {
        "mcptasks.dev/task": TASK,
        "mcptasks.dev/task-uid": UID,
        "mcptasks.dev/server": "default",
        "mcptasks.dev/component": "report",
        "mcptasks.dev/template": "default",
        "mcptasks.dev/template-hash": made["metadata"]["labels"]["mcptasks.dev/template-hash"],
    }
    assert made["metadata"]["labels"] == expected
    assert made["spec"]["template"]["metadata"]["labels"] == {"team": "ml", **expected}


def test_a_component_whose_name_is_not_a_label_value_gets_one_and_keeps_its_name_in_an_annotation() -> None:
    uri = "file:///reports/{name}"
    made = job(task=make_task(spec={"component": {"kind": "resource", "name": uri}}))
    label = made["metadata"]["labels"]["mcptasks.dev/component"]
    assert label.startswith("file-reports-name-")
    assert made["metadata"]["annotations"]["mcptasks.dev/component-name"] == uri
    assert made["spec"]["template"]["metadata"]["annotations"]["mcptasks.dev/component-name"] == uri


def test_a_queue_is_kueues_label_on_the_job() -> None:
    assert job(queueName="research")["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    assert "kueue.x-k8s.io/queue-name" not in job()["metadata"]["labels"]


def test_one_pod_at_a_time_and_no_retry_unless_the_task_says_so() -> None:
    spec = job()["spec"]
    assert spec["backoffLimit"] == 0
    assert (spec["completions"], spec["parallelism"], spec["podReplacementPolicy"]) == (1, 1, "Failed")
    assert "ttlSecondsAfterFinished" not in spec
    assert "activeDeadlineSeconds" not in spec
    assert job(task=make_task(spec={"retries": 3}))["spec"]["backoffLimit"] == 3


@pytest.mark.parametrize(
    ("idempotent", "policy", "action"),
    [
        (False, "RetryIdempotent", "FailJob"),
        (True, "RetryIdempotent", "Ignore"),
        (True, "Fail", "FailJob"),
        (False, "Fail", "FailJob"),
    ],
)
def test_disruptions_are_retried_only_for_idempotent_tools_whose_template_allows_it(
    idempotent: bool, policy: str, action: str
) -> None:
    made = job(task=make_task(spec={"idempotent": idempotent}), disruptionPolicy=policy)
    recorded, disrupted = made["spec"]["podFailurePolicy"]["rules"]
    assert recorded == {
        "action": "FailJob",
        "onExitCodes": {"containerName": "runner", "operator": "In", "values": [65]},
    }
    assert disrupted == {"action": action, "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    made["metadata"] |= {"uid": "u", "creationTimestamp": "2026-11-22T12:00:00Z"}
    assert job_facts(made).retries_disruptions is (action == "Ignore")


@pytest.mark.parametrize(
    ("idempotent", "policy", "word"),
    [
        (False, "RetryIdempotent", "false"),
        (True, "RetryIdempotent", "true"),
        (True, "Fail", "false"),
        (False, "Fail", "false"),
    ],
)
def test_the_gateway_reads_the_same_in_an_annotation_of_the_pod(idempotent: bool, policy: str, word: str) -> None:
    name = "mcptasks.dev/retries-disruptions"
    given = {"metadata": {"annotations": {name: "true", "team": "ml"}}}
    made = job(task=make_task(spec={"idempotent": idempotent}), disruptionPolicy=policy, podTemplate=given)
    annotations = made["spec"]["template"]["metadata"]["annotations"]
    assert (annotations[name], annotations["team"]) == (word, "ml")


def test_without_a_template_the_pod_is_complete_and_passes_the_restricted_profile() -> None:
    spec = pod_spec()
    container = runner(spec)
    assert container["image"] == "local/mcptasks:1"
    assert container["command"] == ["mcptasks", "run"]
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert spec["restartPolicy"] == "Never"
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["activeDeadlineSeconds"] == 3600
    assert "serviceAccountName" not in spec


def test_the_pod_has_one_token_for_the_gateway_and_a_place_to_write() -> None:
    spec = pod_spec()
    token, tmp = spec["volumes"]
    assert token["projected"]["sources"] == [
        {"serviceAccountToken": {"audience": "mcptasks.dev/gateway", "expirationSeconds": 3600, "path": "token"}}
    ]
    assert tmp["emptyDir"] == {}
    assert runner(spec)["volumeMounts"] == [
        {"name": token["name"], "mountPath": "/var/run/secrets/mcptasks.dev", "readOnly": True},
        {"name": tmp["name"], "mountPath": "/tmp"},
    ]


def test_the_runner_is_told_where_the_gateway_is_and_which_task_it_runs() -> None:
    assert env(runner(pod_spec())) == {
        "MCPTASKS_GATEWAY_URL": "http://gateway:8001",
        "MCPTASKS_TOKEN_FILE": "/var/run/secrets/mcptasks.dev/token",
        "MCPTASKS_LOG_FORMAT": "human",
        "MCPTASKS_TASK_ID": TASK,
        "MCPTASKS_GRACE_SECONDS": "30",
    }


@pytest.mark.parametrize(("grace", "told"), [(5, "5"), (0, "0"), (None, "30")])
def test_the_runner_is_told_how_long_it_has_to_end(grace: int | None, told: str) -> None:
    pod = {"spec": {"terminationGracePeriodSeconds": grace}}
    assert env(runner(pod_spec(pod)))["MCPTASKS_GRACE_SECONDS"] == told


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("traceparent", "expected"), [(TRACE, TRACE), ("$(SECRET)", None), (f"{TRACE}\n", None), (TRACE.upper(), None)]
)
def test_only_a_true_trace_parent_reaches_the_environment(traceparent: str, expected: str | None) -> None:
    task = make_task(spec={"traceContext": {"traceparent": traceparent}})
    assert env(runner(pod_spec(task=task))).get("TRACEPARENT") == expected


FULL_TEMPLATE: JsonObject = {
    "metadata": {"annotations": {"team": "ml"}},
    "spec": {
        "serviceAccountName": "reader",
        "automountServiceAccountToken": True,
        "enableServiceLinks": True,
        "terminationGracePeriodSeconds": 5,
        "nodeSelector": {"gpu": "yes"},
        "someFieldOfTheFuture": {"deep": [1, 2]},
        "securityContext": {"runAsUser": 1000, "fsGroup": 7, "seccompProfile": {"type": "Localhost"}},
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "runner",
                "image": "x/gpu:1",
                "command": ["tool"],
                "env": [{"name": "A", "value": "b"}, {"name": "MCPTASKS_GATEWAY_URL", "value": "http://other"}],
                "resources": {"limits": {"nvidia.com/gpu": 1}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                "terminationMessagePolicy": "File",
                "securityContext": {"readOnlyRootFilesystem": False, "capabilities": {"drop": ["NET_RAW"]}},
            }
        ],
    },
}


def test_what_the_template_says_stays() -> None:
    pod = copy.deepcopy(FULL_TEMPLATE)
    made = job(pod)["spec"]["template"]
    assert pod == FULL_TEMPLATE, "the template itself is not changed"
    spec, container = made["spec"], runner(made["spec"])
    assert made["metadata"]["annotations"]["team"] == "ml"
    assert spec["serviceAccountName"] == "reader"
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (True, True)
    assert spec["terminationGracePeriodSeconds"] == 5
    assert spec["nodeSelector"] == {"gpu": "yes"}
    assert spec["someFieldOfTheFuture"] == {"deep": [1, 2]}
    assert spec["securityContext"] == {
        "runAsUser": 1000,
        "runAsNonRoot": True,
        "fsGroup": 7,
        "seccompProfile": {"type": "Localhost"},
    }
    assert (container["image"], container["command"]) == ("x/gpu:1", ["tool"])
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 1}}
    assert container["terminationMessagePolicy"] == "File"
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": False,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["NET_RAW"]},
    }
    assert env(container)["A"] == "b"
    assert env(container)["MCPTASKS_GATEWAY_URL"] == "http://other"
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/data", "/tmp"}


def test_the_template_cannot_name_another_task() -> None:
    pod = with_runner(env=[{"name": "MCPTASKS_TASK_ID", "value": "other"}])
    entries = [entry for entry in runner(pod_spec(pod))["env"] if entry["name"] == "MCPTASKS_TASK_ID"]
    assert entries == [{"name": "MCPTASKS_TASK_ID", "value": TASK}]


def test_a_restart_policy_that_a_job_like_ours_cannot_have_is_replaced() -> None:
    assert pod_spec({"spec": {"restartPolicy": "OnFailure"}})["restartPolicy"] == "Never"


def test_arguments_alone_leave_the_images_entrypoint_in_place() -> None:
    assert "command" not in runner(pod_spec(with_runner(args=["--fast"])))


def test_without_a_container_of_that_name_the_first_one_is_the_runner() -> None:
    made = job({"spec": {"containers": [{"name": "main"}, {"name": "log"}]}})
    first, second = made["spec"]["template"]["spec"]["containers"]
    assert first["command"] == ["mcptasks", "run"]
    assert "command" not in second
    assert "env" not in second
    assert made["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"] == "main"


def test_the_runner_need_not_be_the_first_container() -> None:
    spec = pod_spec({"spec": {"containers": [{"name": "log", "image": "x"}, {"name": "runner"}]}})
    assert "MCPTASKS_TASK_ID" in env(runner(spec))
    assert "env" not in spec["containers"][0]


def test_a_volume_of_the_templates_own_at_our_paths_stays() -> None:
    pod = with_runner(volumeMounts=[{"name": "big", "mountPath": "/tmp/"}])
    pod["spec"]["volumes"] = [{"name": "big", "emptyDir": {"sizeLimit": "1Ti"}}]
    spec = pod_spec(pod)
    assert [v["name"] for v in spec["volumes"]] == ["big", "mcptasks-token"]
    assert [m["mountPath"] for m in runner(spec)["volumeMounts"]] == ["/tmp/", "/var/run/secrets/mcptasks.dev"]


@pytest.mark.parametrize(
    ("task", "template", "expected"),
    [
        ({}, {}, 3600),
        ({}, {"timeoutSeconds": 60}, 60),
        ({"timeoutSeconds": 20}, {"timeoutSeconds": 60}, 20),
        ({"timeoutSeconds": 90}, {"timeoutSeconds": 60}, 90),
        ({"timeoutSeconds": 90}, {"podTemplate": {"spec": {"activeDeadlineSeconds": 30}}}, 30),
        ({"timeoutSeconds": 20}, {"podTemplate": {"spec": {"activeDeadlineSeconds": 30}}}, 20),
        ({"timeoutSeconds": 20, "inputTimeoutSeconds": 600}, {}, 620),
        (
            {"timeoutSeconds": 20, "inputTimeoutSeconds": 600},
            {"podTemplate": {"spec": {"activeDeadlineSeconds": 30}}},
            30,
        ),
    ],
)
def test_the_run_deadline(task: JsonObject, template: JsonObject, expected: int) -> None:
    spec = McpTaskTemplateSpec.model_validate(template)
    made = make_job(make_task(spec=task), spec, SETTINGS)
    assert made["spec"]["template"]["spec"]["activeDeadlineSeconds"] == expected


def test_nothing_that_a_caller_sends_reaches_the_manifest() -> None:
    secret = "$(injected) ; rm -rf /"
    task = make_task(
        spec={
            "arguments": {"command": secret},
            "argumentsText": json.dumps({"command": secret}),
            "request": {"meta": {"x": secret}, "clientInfo": {"name": secret}},
            "principal": {"clientId": secret, "subject": secret},
            "idempotencyKey": secret,
            "traceContext": {"traceparent": secret, "baggage": secret, "tracestate": secret},
        }
    )
    assert "injected" not in json.dumps(job(task=task))


@pytest.mark.parametrize(
    ("pod", "says"),
    [
        ({"spec": []}, "spec of podTemplate must be an object"),
        ({"spec": {"containers": ["runner"]}}, "containers must be a list of objects"),
        ({"spec": {"containers": [{"image": "x"}]}}, "each have a name"),
        ({"metadata": {"labels": "x"}}, "labels of podTemplate.metadata"),
        (with_runner(env={"A": "b"}), "env must be a list"),
        (with_runner(securityContext=[]), "securityContext of container runner"),
    ],
)
def test_a_pod_template_that_is_not_one_is_refused_with_the_place(pod: JsonObject, says: str) -> None:
    with pytest.raises(InvalidTemplateError, match=says):
        job(pod)


def test_pods_of_a_changed_template_are_told_from_those_before() -> None:
    def label(pod: JsonObject | None, **spec: Any) -> str:
        made = make_job(make_task(), McpTaskTemplateSpec(pod_template=pod, **spec), Settings())
        found: str = made["spec"]["template"]["metadata"]["labels"]["mcptasks.dev/template-hash"]
        assert made["metadata"]["labels"]["mcptasks.dev/template-hash"] == found
        return found

    small, large = ({"spec": {"priority": 1, "containers": [{"name": n, "image": "i"}]}} for n in ("a", "b"))
    reordered = {"spec": dict(reversed(small["spec"].items()))}
    assert label(small) == label(reordered) == label(small, start_deadline_seconds=5)
    assert len({label(small), label(large), label(None)}) == 3
