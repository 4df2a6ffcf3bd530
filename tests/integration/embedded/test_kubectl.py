"""A real kubectl against the embedded cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mcptasks_embedded import EmbeddedClusterThread
from tests.contract.cleanup import Space
from tests.contract.client import Api
from tests.integration.embedded.conftest import GROUP
from tests.support.polling import eventually

Kubectl = Callable[..., str]

WIDGET = f"apiVersion: {GROUP}/v1alpha1\nkind: Widget\nmetadata: {{name: w, labels: {{app: x}}}}\nspec: {{size: 3}}\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, creationTimestamp: null}\ndata: {a: b}\n"
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: main, image: x, command: [sh, -c, "echo one; sleep 0.5; echo two"]}
"""


def _program() -> str:
    if os.environ.get("MCPTASKS_TEST_KUBECTL") == "skip":
        pytest.skip("MCPTASKS_TEST_KUBECTL=skip")
    program = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if program is None:
        pytest.fail("these tests need kubectl: put it on the PATH, set KUBECTL, or set MCPTASKS_TEST_KUBECTL=skip")
    return program


@pytest.fixture
def kubectl(cluster: EmbeddedClusterThread, space: Space, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    program = _program()
    cache = tmp_path_factory.mktemp("kubectl")

    def run(*arguments: str, stdin: str | None = None, fails: bool = False) -> str:
        head = [program, "--kubeconfig", str(cluster.kubeconfig), "--cache-dir", str(cache), "-n", space.name]
        done = subprocess.run([*head, *arguments], input=stdin, capture_output=True, text=True, timeout=120)
        text = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(arguments)}: {text}"
        return text

    return run


def words(line: str) -> list[str]:
    return line.split()


def test_get(kubectl: Kubectl) -> None:
    assert "widget.example.dev/w created" in kubectl("apply", "-f", "-", stdin=WIDGET)
    head, row = kubectl("get", "widgets").splitlines()
    assert words(head) == ["NAME", "SIZE", "PHASE", "READY", "AGE"]
    assert words(row)[:2] == ["w", "3"]
    assert "COLOR" in kubectl("get", "wdg", "-o", "wide")
    assert "NAMESPACE" in kubectl("get", "widgets", "-A")
    assert json.loads(kubectl("get", "widget", "w", "-o", "json"))["spec"]["color"] == "red"
    assert "size: 3" in kubectl("get", "widget", "w", "-o", "yaml")
    assert kubectl("get", "widgets", "-l", "app=x", "-o", "name").strip() == "widget.example.dev/w"
    assert "No resources found" in kubectl("get", "widgets", "-l", "app!=x")
    assert "No resources found" in kubectl("get", "widgets", "--field-selector", "spec.color=green")
    assert "field label not supported" in kubectl("get", "widgets", "--field-selector", "spec.x=1", fails=True)
    assert 'widgets.example.dev "nope" not found' in kubectl("get", "widget", "nope", fails=True)


def test_watch(kubectl: Kubectl, api: Api, space: Space) -> None:
    kubectl("apply", "-f", "-", stdin=WIDGET)
    path = space.path("widgets", "w", "status", f"{GROUP}/v1alpha1")
    api.patch(path, {"status": {"phase": "Running"}}).ok()
    text = kubectl("get", "widgets", "-w", "--request-timeout=1s")
    assert "Running" in text
    done = kubectl("wait", "--for=jsonpath={.status.phase}=Running", "widget/w", "--timeout=60s")
    assert "condition met" in done


def test_apply(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=WIDGET)
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=WIDGET)
    assert "configured" in kubectl("apply", "-f", "-", stdin=WIDGET.replace("size: 3", "size: 4"))
    assert "diff" not in kubectl("diff", "-f", "-", stdin=WIDGET.replace("size: 3", "size: 4"))
    applied = kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=WIDGET)
    assert "serverside-applied" in applied
    refused = kubectl("apply", "-f", "-", stdin=WIDGET.replace("size: 3", "size: 0"), fails=True)
    assert "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1" in refused
    unknown = kubectl("apply", "-f", "-", stdin=WIDGET.replace("size: 3", "size: 3, nope: 1"), fails=True)
    assert 'unknown field "spec.nope"' in unknown
    warned = kubectl("apply", "--validate=warn", "-f", "-", stdin=WIDGET.replace("size: 3", "size: 3, nope: 1"))
    assert 'Warning: unknown field "spec.nope"' in warned


def test_lists(kubectl: Kubectl) -> None:
    """kubectl validates the items of a List itself, with the protobuf form of /openapi/v2."""
    items = [WIDGET, CONFIG, JOB.replace("spec:\n  backoff", "spec:\n  suspend: true\n  backoff")]
    manifest = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(item) for item in items]}
    text = json.dumps(manifest)
    assert kubectl("create", "-f", "-", stdin=text).count("created") == 3
    assert kubectl("delete", "-f", "-", stdin=text).count("deleted") == 3
    assert kubectl("apply", "-f", "-", stdin=text).count("created") == 3
    assert kubectl("apply", "-f", "-", stdin=text).count("unchanged") == 2  # kubectl patches a null timestamp again
    copied = kubectl("apply", "-f", "-", stdin=kubectl("get", "widgets,configmaps,jobs", "-o", "yaml"))
    assert all(name in copied for name in ("widget.example.dev/w ", "configmap/c ", "job.batch/j "))
    unknown = kubectl("apply", "-f", "-", stdin=text.replace('"size"', '"sise"'), fails=True)
    assert 'unknown field "sise"' in unknown
    assert 'missing required field "size"' in unknown
    assert 'unknown field "suspended"' in kubectl(
        "create", "-f", "-", stdin=text.replace('"suspend"', '"suspended"'), fails=True
    )


def test_create_patch_delete(kubectl: Kubectl) -> None:
    assert "created" in kubectl("create", "-f", "-", stdin=WIDGET)
    assert "already exists" in kubectl("create", "-f", "-", stdin=WIDGET, fails=True)
    patch = '{"status":{"phase":"Done"}}'
    assert "patched" in kubectl("patch", "widget", "w", "--subresource=status", "--type=merge", "-p", patch)
    refused = kubectl(
        "patch", "widget", "w", "--subresource=status", "--type=merge", "-p", patch.replace("Done", "x"), fails=True
    )
    assert "a widget that is done stays done" in refused
    assert "labeled" in kubectl("label", "widget", "w", "a=b")
    assert "annotated" in kubectl("annotate", "widget", "w", "a=b")
    assert "deleted" in kubectl("delete", "widget", "w")
    assert "not found" in kubectl("delete", "widget", "w", fails=True)


def test_describe(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=WIDGET)
    text = kubectl("describe", "widget", "w")
    assert "Size:" in text
    kubectl("apply", "-f", "-", stdin=JOB)
    kubectl("wait", "--for=condition=complete", "job/j", "--timeout=60s")
    described = kubectl("describe", "job", "j")
    assert "0 Active (0 Ready) / 1 Succeeded / 0 Failed" in described
    assert "SuccessfulCreate" in described
    assert "Started container main" in kubectl("describe", "pods")
    assert "Allocatable" in kubectl("describe", "node", "local")


def test_jobs_and_logs(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=JOB)
    kubectl("wait", "--for=create", "pod", "-l", "job-name=j", "--timeout=60s")
    eventually("the Pod runs", lambda: "Running" in kubectl("get", "pods") or "Completed" in kubectl("get", "pods"))
    assert kubectl("logs", "-f", "job/j").splitlines()[-2:] == ["one", "two"]
    assert kubectl("logs", "job/j", "--tail=1") == "two\n"
    kubectl("wait", "--for=condition=complete", "job/j", "--timeout=60s")
    head, row = kubectl("get", "jobs").splitlines()
    assert words(head) == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert words(row)[:3] == ["j", "Complete", "1/1"]
    assert "Completed" in kubectl("get", "pods")
    events = kubectl("get", "events")
    assert "job/j" in events
    assert "Created pod: j-" in events
    kubectl("delete", "job", "j")
    eventually("the Pods are gone", lambda: "No resources found" in kubectl("get", "pods"))


def test_discovery(kubectl: Kubectl) -> None:
    resources = kubectl("api-resources")
    assert any(words(line)[:3] == ["widgets", "wdg", f"{GROUP}/v1alpha1"] for line in resources.splitlines())
    assert "batch/v1" in kubectl("api-versions")
    assert "Server Version: v1.36" in kubectl("version")
    assert "is running at" in kubectl("cluster-info")


def test_explain(kubectl: Kubectl) -> None:
    text = kubectl("explain", "widgets.spec")
    assert "What is wanted." in text
    assert "How big." in text
    assert "-required-" in text
    assert words(kubectl("explain", "widgets.spec.color").partition("ENUM:")[2])[:2] == ["red", "green"]
    assert "KIND:       Job" in kubectl("explain", "jobs")
    assert "podReplacementPolicy" in kubectl("explain", "jobs.spec")
    assert "terminationMessagePolicy" in kubectl("explain", "pods.spec.containers")


def test_namespaces(kubectl: Kubectl, api: Api) -> None:
    kubectl("create", "-f", "-", stdin="apiVersion: v1\nkind: Namespace\nmetadata: {name: short-lived}\n")
    assert "deleted" in kubectl("delete", "namespace", "short-lived")
    assert api.get("/api/v1/namespaces/short-lived").code == 404


def test_files_of_manifests(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{WIDGET}---\n{JOB}")
    assert kubectl("apply", "-f", str(tmp_path)).count("created") == 2
    assert kubectl("delete", "-f", str(tmp_path)).count("deleted") == 2


def test_objects_that_kubectl_builds(kubectl: Kubectl, space: Space) -> None:
    """kubectl sends these as protocol buffers."""
    assert "created" in kubectl("create", "job", "built", "--image=x", "--", "sh", "-c", "echo built")
    kubectl("wait", "--for=condition=complete", "job/built", "--timeout=60s")
    assert kubectl("logs", "job/built") == "built\n"
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    assert kubectl("get", "configmap", "c", "-o", "jsonpath={.data.a}") == "b"
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}") == "Yg=="
    kubectl("create", "serviceaccount", "robot")
    assert kubectl("create", "token", "robot", "--audience=gateway").count(".") == 2
    kubectl("create", "role", "reader", "--verb=get", "--resource=pods")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={space.name}:robot")
    robot = f"--as=system:serviceaccount:{space.name}:robot"
    assert kubectl("auth", "can-i", "get", "pods", robot).strip() == "yes"
    assert kubectl("auth", "can-i", "list", "pods", robot, fails=True).strip() == "no"
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    assert "*.*" in kubectl("auth", "can-i", "--list")
    kubectl("create", "quota", "q", "--hard=count/jobs.batch=1")
    refused = kubectl("create", "job", "more", "--image=x", fails=True)
    assert "exceeded quota: q" in refused
    assert "created" in kubectl("run", "single", "--image=x", "--restart=Never", "--command", "--", "true")
    assert "created" in kubectl("create", "namespace", f"{space.name}-other")


def test_drain(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=JOB.replace("sleep 0.5", "exec sleep 60"))
    eventually("the Pod runs", lambda: "Running" in kubectl("get", "pods"))
    try:
        assert "evicted" in kubectl("drain", "local", "--pod-selector=job-name=j", "--timeout=60s")
        assert "SchedulingDisabled" in kubectl("get", "nodes")
    finally:
        kubectl("uncordon", "local")
    kubectl("delete", "job", "j")


def test_bad_credentials(kubectl: Kubectl) -> None:
    assert "You must be logged in to the server" in kubectl("--token", "wrong", "get", "pods", fails=True)
