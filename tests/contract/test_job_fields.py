"""Fields of Jobs: defaults, what can be changed, what is refused."""

from __future__ import annotations

import pytest

from tests.contract.cleanup import Space
from tests.contract.client import Api, Json
from tests.contract.jobs import job


def test_defaults(api: Api, space: Space) -> None:
    body = job("a", suspend=True)
    del body["spec"]["backoffLimit"]
    made = api.post(space.jobs(), body).ok(201)
    spec = made["spec"]
    wanted = {"backoffLimit": 6, "completions": 1, "parallelism": 1, "completionMode": "NonIndexed"}
    wanted |= {"podReplacementPolicy": "TerminatingOrFailed", "manualSelector": False}
    assert {key: spec[key] for key in wanted} == wanted
    uid = made["metadata"]["uid"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "a",
        "controller-uid": uid,
        "job-name": "a",
    }
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"completions": 2}, "spec.completions"),
        ({"template": {"spec": {"restartPolicy": "OnFailure"}}}, "spec.template"),
        ({"template": {"spec": {"activeDeadlineSeconds": 5}}}, "spec.template"),
    ],
)
def test_immutable_fields(api: Api, space: Space, change: Json, field: str) -> None:
    api.post(space.jobs(), job("a", suspend=True, parallelism=1, completions=1)).ok(201)
    reply = api.patch(space.jobs("a"), {"spec": change})
    assert reply.code == 422
    assert reply.causes[0][0].startswith(field)


def test_mutable_fields(api: Api, space: Space) -> None:
    api.post(space.jobs(), job("a", suspend=True)).ok(201)
    change = {"parallelism": 2, "activeDeadlineSeconds": 100, "ttlSecondsAfterFinished": 5, "backoffLimit": 3}
    spec = api.patch(space.jobs("a"), {"spec": change}).ok()["spec"]
    assert {key: spec[key] for key in change} == change


def test_restart_policy_is_required(api: Api, space: Space) -> None:
    body = job("a")
    del body["spec"]["template"]["spec"]["restartPolicy"]
    reply = api.post(space.jobs(), body)
    assert reply.code == 422
    assert 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"' in reply.message
    body["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    reply = api.post(space.jobs(), body)
    assert 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"' in reply.message


def test_unknown_fields(api: Api, space: Space) -> None:
    body = job("a", suspend=True, nope=1)
    body["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "x"
    strict = api.post(space.jobs(), body, fieldValidation="Strict")
    assert strict.code == 400
    assert 'unknown field "spec.nope"' in strict.message
    assert 'unknown field "spec.template.spec.containers[0].imagePolicy"' in strict.message
    made = api.post(space.jobs(), body, fieldValidation="Warn")
    assert '299 - "unknown field \\"spec.nope\\""' in made.warnings
    assert "nope" not in made.ok(201)["spec"]


@pytest.mark.parametrize(
    "spec", [{"backoffLimit": "1"}, {"backoffLimit": 1.5}, {"suspend": "true"}, {"parallelism": []}]
)
def test_values_of_a_wrong_type(api: Api, space: Space, spec: Json) -> None:
    reply = api.post(space.jobs(), job("a", **spec))
    assert (reply.code, reply.reason) == (400, "BadRequest")
    assert "cannot unmarshal" in reply.message
