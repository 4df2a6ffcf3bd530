"""Which user and which rights a task's Pod has."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks_operator.deciding.manifests import make_job
from tests.unit.operator.builders import make_task
from tests.unit.operator.deciding.job_manifests import SETTINGS, pod_spec, runner, with_runner


def test_every_container_is_restricted() -> None:
    pod = {"spec": {"containers": [{"name": "runner"}, {"name": "log"}], "initContainers": [{"name": "fetch"}]}}
    spec = pod_spec(pod)
    for container in (*spec["containers"], *spec["initContainers"]):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize(
    "context",
    [{"runAsUser": 0}, {"runAsNonRoot": False}],
)
def test_an_administrator_may_ask_for_root(context: JsonObject) -> None:
    made = pod_spec({"spec": {"securityContext": context}})["securityContext"]
    assert made.get("runAsNonRoot") is not True
    assert made.get("runAsUser") != 65532


def merged(patch: JsonObject, target: JsonObject) -> JsonObject:
    """A merge patch (RFC 7386) of one object, as `kubectl apply`, Helm and others write custom resources."""
    whole = dict(target)
    for key, value in patch.items():
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, dict):
            below = whole.get(key)
            whole[key] = merged(value, below if isinstance(below, dict) else {})
        else:
            whole[key] = value
    return whole


def test_a_user_id_that_is_left_to_the_platform_stays_so_however_the_template_is_written() -> None:
    left = {"userId": "Platform", "podTemplate": {"spec": {"securityContext": {"runAsUser": None, "fsGroup": 7}}}}
    for template in (left, {"userId": "Platform"}, merged(left, {}), merged(left, left)):
        made = make_job(make_task(), McpTaskTemplateSpec.model_validate(template), SETTINGS)
        context = made["spec"]["template"]["spec"]["securityContext"]
        assert context.get("runAsUser") is None
        assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"})


NULLS: JsonObject = {
    "metadata": {"labels": {"team": None}},
    "spec": {
        "automountServiceAccountToken": None,
        "enableServiceLinks": None,
        "terminationGracePeriodSeconds": None,
        "securityContext": {"runAsUser": None, "runAsNonRoot": None, "seccompProfile": {"type": None}},
    },
}


def test_a_null_of_a_template_is_what_a_merge_patch_makes_of_it() -> None:
    for nulls in (NULLS, NULLS | {"spec": {"containers": [{"name": "runner"}], **NULLS["spec"]}}):
        assert pod_spec(nulls) == pod_spec(merged(nulls, {}))
    assert pod_spec(NULLS)["automountServiceAccountToken"] is False
    assert pod_spec(NULLS)["securityContext"]["runAsUser"] == 65532


def test_a_user_that_the_template_names_counts_whatever_is_left_to_the_platform() -> None:
    made = pod_spec({"spec": {"securityContext": {"runAsUser": 1000}}}, userId="Platform")["securityContext"]
    assert made["runAsUser"] == 1000


def test_a_container_may_ask_for_root() -> None:
    made = pod_spec(with_runner(securityContext={"runAsUser": 0}))["securityContext"]
    assert "runAsNonRoot" not in made


def test_a_privileged_container_is_not_made_invalid() -> None:
    made = runner(pod_spec(with_runner(securityContext={"privileged": True})))["securityContext"]
    assert "allowPrivilegeEscalation" not in made
