"""Every set of values gives objects that a cluster accepts, and Pods that run restricted."""

from __future__ import annotations

import functools
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import McpTaskTemplate
from mcptasks.settings import Settings
from mcptasks_operator.deciding.manifests import make_job
from tests.chart.helm import CHART, CI_VALUES, EXAMPLE_VALUES, ROOT, Rendered, helm, render
from tests.chart.kubernetes_schema import MODELS, faults, faults_of_pod_template

EVERY = pytest.mark.parametrize(
    "values",
    [*CI_VALUES, *EXAMPLE_VALUES],
    ids=lambda path: path.parent.name if path in EXAMPLE_VALUES else path.name.removesuffix("-values.yaml"),
)
MONITORING = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
POLICIES = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", *POLICIES}
OTHER_KINDS = {"CustomResourceDefinition", "McpTaskTemplate", "HTTPRoute", *MONITORING}


@functools.cache
def rendered(values: Path, known: bool = True) -> Rendered:
    return render(files=[values], known=known)


@EVERY
def test_helm_finds_no_fault(values: Path) -> None:
    done = helm("lint", "--strict", str(CHART), f"--values={values}")
    assert done.returncode == 0, done.stdout + done.stderr


@EVERY
@pytest.mark.parametrize("known", [True, False], ids=["again", "first"])
def test_objects_are_of_the_kubernetes_api(values: Path, known: bool) -> None:
    objects = rendered(values, known).objects
    assert {item["kind"] for item in objects} <= MODELS.keys() | OTHER_KINDS
    assert [fault for item in objects if item["kind"] in MODELS for fault in faults(item)] == []


def test_the_check_of_objects_finds_wrong_names_and_types() -> None:
    item = render().find("Deployment", "mcptasks-server")
    item["spec"]["replica"] = 1
    item["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "8000"
    assert faults(item) == [
        "Deployment.spec.template.spec.containers[0].ports[0].containerPort: not int but '8000'",
        "Deployment.spec.replica: no such field",
    ]


@EVERY
def test_no_two_objects_have_one_name(values: Path) -> None:
    keys = [
        (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in rendered(values).objects
    ]
    assert len(keys) == len(set(keys))


@EVERY
def test_no_container_has_a_variable_twice(values: Path) -> None:
    # Server-side apply refuses it.
    for pod in rendered(values).pods():
        for one in [*pod["containers"], *pod.get("initContainers", ())]:
            names = [entry["name"] for entry in one.get("env", ())]
            assert len(names) == len(set(names)), f"{one['name']}: {names}"


@EVERY
def test_every_object_is_labelled_and_in_the_namespace(values: Path) -> None:
    for item in rendered(values).objects:
        if item["kind"] == "ConfigMap" and item["metadata"]["name"].endswith(("-more", "-text")):
            continue  # extraObjects are as they are given.
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "mcptasks"
        assert labels["app.kubernetes.io/instance"] == "mcptasks"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        clusterwide = item["kind"] in CLUSTER_WIDE
        assert ("namespace" in item["metadata"]) is not clusterwide


@EVERY
def test_our_containers_run_restricted(values: Path) -> None:
    for pod in rendered(values).pods():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "automountServiceAccountToken" in pod
        own = [one for one in pod["containers"] if one["name"] in ("server", "operator", "dashboard", "redis", "test")]
        assert own
        for one in own:
            security = one["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= one["resources"].keys()


def crd_schema(plural: str) -> JsonObject:
    crd = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
    schema: JsonObject = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return closed(schema)


def closed(schema: JsonObject) -> JsonObject:
    """The schema with unknown fields refused, as the API server drops them."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {key: closed(value) for key, value in schema["properties"].items()}
        result["additionalProperties"] = False
    if "items" in schema:
        result["items"] = closed(schema["items"])
    if (
        schema.get("type") == "object"
        and result.get("additionalProperties") is False
        and "spec" in schema["properties"]
    ):
        result["properties"]["metadata"] = {"type": "object"}
    return result


@EVERY
@pytest.mark.parametrize("known", [True, False], ids=["again", "first"])
def test_templates_are_what_the_crd_says(values: Path, known: bool) -> None:
    schema = crd_schema("mcptasktemplates")
    for item in rendered(values, known).all("McpTaskTemplate"):
        jsonschema.validate(item, schema)
        assert faults_of_pod_template(item["spec"].get("podTemplate", {})) == []


@EVERY
def test_the_operator_makes_a_job_of_every_template(values: Path) -> None:
    for item in rendered(values).all("McpTaskTemplate"):
        template = McpTaskTemplate.model_validate(item)
        task = McpTask.model_validate(
            {
                "metadata": {"name": "t", "namespace": "mcptasks", "uid": "u"},
                "spec": {"component": {"kind": "tool", "name": "report"}},
            }
        )
        job = make_job(task, template.spec, Settings())
        assert faults(job) == []
        pod = job["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
