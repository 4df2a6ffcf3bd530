"""What an API server refuses in the spec of a Pod, and of a Job's Pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.cleanup import Space
from tests.contract.client import Api, Json
from tests.support.polling import eventually

MAIN: Json = {"name": "main", "image": "x"}
VOLUME: Json = {"name": "v"}
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def one(**container: Any) -> Json:
    return {"containers": [{**MAIN, **container}]}


def mounts(*paths: str | None) -> list[Json]:
    return [{"name": "v", **({} if path is None else {"mountPath": path})} for path in paths]


REFUSED: list[tuple[Json, str]] = [
    ({}, "containers: Required value"),
    ({"containers": []}, "containers: Required value"),
    ({"containers": [{"image": "x"}]}, "containers[0].name: Required value"),
    (one(name="Upper"), f'containers[0].name: Invalid value: "Upper": {LABEL}'),
    (one(name="a.b"), 'containers[0].name: Invalid value: "a.b": must not contain dots'),
    (one(name="a" * 64), f'containers[0].name: Invalid value: "{"a" * 64}": must be no more than 63 characters'),
    ({"containers": [MAIN, MAIN]}, 'containers[1].name: Duplicate value: "main"'),
    ({**one(), "initContainers": [MAIN]}, 'initContainers[0].name: Duplicate value: "main"'),
    ({"containers": [{"name": "main"}]}, "containers[0].image: Required value"),
    ({**one(), "initContainers": [{"name": "init"}]}, "initContainers[0].image: Required value"),
    (
        one(imagePullPolicy="Sometimes"),
        'containers[0].imagePullPolicy: Unsupported value: "Sometimes": '
        'supported values: "Always", "IfNotPresent", "Never"',
    ),
    (
        one(terminationMessagePolicy="x"),
        'containers[0].terminationMessagePolicy: Unsupported value: "x": '
        'supported values: "File", "FallbackToLogsOnError"',
    ),
    (one(volumeMounts=mounts("/x")), 'containers[0].volumeMounts[0].name: Not found: "v"'),
    (
        {"volumes": [VOLUME], **one(volumeMounts=mounts(None))},
        "containers[0].volumeMounts[0].mountPath: Required value",
    ),
    (
        {"volumes": [VOLUME], **one(volumeMounts=mounts("/x", "/x"))},
        'containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
    ),
    ({"volumes": [{"emptyDir": {}}], **one()}, "volumes[0].name: Required value"),
    ({"volumes": [VOLUME, VOLUME], **one()}, 'volumes[1].name: Duplicate value: "v"'),
    ({"volumes": [{"name": "V"}], **one()}, f'volumes[0].name: Invalid value: "V": {LABEL}'),
    (
        {"volumes": [{**VOLUME, "emptyDir": {}, "secret": {"secretName": "x"}}], **one()},
        "volumes[0].secret: Forbidden: may not specify more than 1 volume type",
    ),
    (one(env=[{"value": "x"}]), "containers[0].env[0].name: Required value"),
    (
        one(env=[{"name": "a=b"}]),
        'containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of '
        "printable ASCII characters other than '='",
    ),
    (
        one(env=[{"name": "a", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        'containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
    ),
    (
        {"activeDeadlineSeconds": 0, **one()},
        "activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    ),
    (
        one(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        'containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    (
        one(resources={"limits": {"cpu": "-1"}}),
        'containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ),
]


def pod(spec: Json) -> Json:
    return {"metadata": {"name": "a"}, "spec": {"restartPolicy": "Never", **spec}}


def job(spec: Json) -> Json:
    return {"metadata": {"name": "a"}, "spec": {"template": {"spec": {"restartPolicy": "Never", **spec}}}}


@pytest.mark.parametrize(("spec", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_refused(api: Api, space: Space, spec: Json, message: str) -> None:
    alone = api.post(space.path("pods"), pod(spec), dryRun="All")
    assert (alone.code, alone.reason) == (422, "Invalid")
    assert f"spec.{message}" in alone.message
    assert alone.causes[0][0] == f"spec.{message.partition(': ')[0]}"
    templated = api.post(space.jobs(), job(spec), dryRun="All")
    assert (templated.code, templated.reason) == (422, "Invalid")
    assert f"spec.template.spec.{message}" in templated.message
    assert templated.causes[0][0] == f"spec.template.{alone.causes[0][0]}"


def test_images_with_blanks_are_refused_in_pods_only(api: Api, space: Space) -> None:
    spec = one(image=" x")
    reply = api.post(space.path("pods"), pod(spec), dryRun="All")
    expected = 'spec.containers[0].image: Invalid value: " x": must not have leading or trailing whitespace'
    assert (reply.code, reply.message) == (422, f'Pod "a" is invalid: {expected}')
    api.post(space.jobs(), job(spec), dryRun="All").ok(201)


def test_limits_are_requested_by_pods_only(api: Api, space: Space) -> None:
    limits = {"limits": {"cpu": "1"}}
    made = api.post(space.path("pods"), pod(one(resources=limits)), dryRun="All").ok(201)
    assert made["spec"]["containers"][0]["resources"] == {**limits, "requests": {"cpu": "1"}}
    assert made["spec"]["enableServiceLinks"] is True
    template = api.post(space.jobs(), job(one(resources=limits)), dryRun="All").ok(201)["spec"]["template"]["spec"]
    assert template["containers"][0]["resources"] == limits
    assert "enableServiceLinks" not in template


@pytest.mark.parametrize("policy", ["Sometimes", ""])
def test_restart_policies(api: Api, space: Space, policy: str) -> None:
    supported = 'supported values: "Always", "OnFailure", "Never"'
    alone = api.post(space.path("pods"), pod({"restartPolicy": policy, **one()}), dryRun="All")
    templated = api.post(space.jobs(), job({"restartPolicy": policy, **one()}), dryRun="All")
    if policy:
        assert f'spec.restartPolicy: Unsupported value: "{policy}": {supported}' in alone.message
        path = "spec.template.spec.restartPolicy"
        assert f'{path}: Unsupported value: "{policy}": {supported}' in templated.message
        assert f'{path}: Unsupported value: "{policy}": supported values: "OnFailure", "Never"' in templated.message
    else:
        assert alone.ok(201)["spec"]["restartPolicy"] == "Always"
        assert 'Required value: valid values: "OnFailure", "Never"' in templated.message


@pytest.mark.parametrize(("path", "kind"), [("pods", "Pod"), ("jobs", "Job")])
def test_quantities_that_are_none(api: Api, space: Space, path: str, kind: str) -> None:
    spec = one(resources={"limits": {"cpu": "lots"}})
    reply = (
        api.post(space.path("pods"), pod(spec), dryRun="All")
        if path == "pods"
        else api.post(space.jobs(), job(spec), dryRun="All")
    )
    assert (reply.code, reply.reason) == (400, "BadRequest")
    assert reply.message.startswith(f'{kind} in version "v1" cannot be handled as a {kind}: ')
    assert "quantities must match the regular expression" in reply.message


def test_names_of_jobs_are_labels(api: Api, space: Space) -> None:
    body = {**job(one()), "metadata": {"name": "a" * 64}}
    reply = api.post(space.jobs(), body, dryRun="All")
    assert (reply.code, reply.causes[0]) == (422, ("spec.template.labels", "FieldValueInvalid"))
    assert f'spec.template.labels: Invalid value: "{"a" * 64}": must be no more than 63 bytes' in reply.message
    api.post(space.jobs(), {**body, "metadata": {"name": "a" * 63}}, dryRun="All").ok(201)


def test_what_is_right_is_accepted(api: Api, space: Space) -> None:
    container = {
        **MAIN,
        "name": "a" * 63,
        "env": [{"name": "a.b-c d"}],
        "volumeMounts": mounts("/x", "/y"),
        "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "500m", "memory": "1e3"}},
    }
    spec = {"volumes": [VOLUME], "containers": [container], "activeDeadlineSeconds": 2**31 - 1}
    api.post(space.path("pods"), pod(spec), dryRun="All").ok(201)
    api.post(space.jobs(), job(spec), dryRun="All").ok(201)


def test_a_pod_is_ready_once_its_probe_has_passed_and_ports_are_its_own(api: Api, space: Space, image: str) -> None:
    serve = "sleep 2; touch readyz; exec python3 -m http.server 18080 --bind $POD_IP"
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"cd $TMPDIR; {serve}"],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "TMPDIR", "value": "/tmp"},
        ],
        "readinessProbe": {"httpGet": {"port": 18080, "path": "/readyz"}, "periodSeconds": 1},
    }
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}
    for name in ("a", "b"):
        api.post(space.path("pods"), {"metadata": {"name": name}, "spec": spec}).ok(201)

    def status(name: str) -> Json:
        found: Json = api.get(space.path("pods", name)).ok().get("status") or {}
        return found

    def ready(name: str) -> str | None:
        return next((c["status"] for c in status(name).get("conditions") or () if c["type"] == "Ready"), None)

    def is_ready(name: str) -> Callable[[], bool]:
        return lambda: ready(name) == "True"

    eventually("it runs", lambda: status("a").get("phase") == "Running", 60)
    assert ready("a") == "False"
    for name in ("a", "b"):
        eventually("it is ready", is_ready(name), 60)
        assert status(name)["containerStatuses"][0]["ready"] is True
    assert status("a")["podIP"] != status("b")["podIP"]
