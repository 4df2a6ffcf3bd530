"""A release's whole life on a real cluster: install, `helm test`, upgrade and rollback under running tasks, uninstall.

Needs `--kubeconfig`, helm, and the image MCPTASKS_IMAGE (mcptasks:dev) in the cluster. MCPTASKS_PREVIOUS_CHART is the
folder of the previous chart; without one it is this chart under an older version, with other annotations of its Pods.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from mcptasks.model.base import JsonObject
from tests.chart.helm import CHART, helm_path, take_over
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

IMAGE = os.environ.get("MCPTASKS_IMAGE", "mcptasks:dev")
STEPS = 45
CRDS = ("mcptasks.mcptasks.dev", "mcptasktemplates.mcptasks.dev")


@dataclass
class Release:
    """One release in a namespace of its own, which enforces the `restricted` profile."""

    kubeconfig: Path
    kubectl: Kubectl
    forwards: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        return self.kubectl.namespace

    def helm(self, *arguments: str, values: JsonObject | None = None, check: bool = True) -> str:
        command = [helm_path(), *arguments, f"--namespace={self.namespace}", f"--kubeconfig={self.kubeconfig}"]
        text = yaml.safe_dump(values or {})
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=600)
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}{self.pods()}"
        return done.stdout

    def pods(self) -> str:
        return self.kubectl.run("get", "pods", "-o", "wide", check=False)

    def install(self, chart: Path, **pod_annotations: str) -> None:
        """Install or upgrade, as a platform team does: in one command that waits."""
        options = ("--install", *take_over(), "--wait", "--timeout=5m", "--values=-")
        self.helm("upgrade", "mcptasks", str(chart), *options, values=_values(pod_annotations))

    def rendered(self) -> str:
        """The chart as text, for others to apply."""
        return self.helm("template", "mcptasks", str(CHART), "--skip-tests", "--values=-", values=_values({}))

    def client(self) -> RawClient:
        """A caller through the endpoint's Service; through a forwarded port where its address cannot be reached."""
        address = self.kubectl.get("service", "mcptasks")["spec"]["clusterIP"]
        try:
            socket.create_connection((address, 8000), timeout=3).close()
        except OSError:
            command = self.kubectl.command("port-forward", "service/mcptasks", ":8000")
            forward = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.forwards.append(forward)
            assert forward.stdout is not None
            return RawClient(f"http://{forward.stdout.readline().decode().split()[2]}/mcp")
        return RawClient(f"http://{address}:8000/mcp")

    def tests_passed(self) -> list[str]:
        """The Pods of `helm test` that succeeded; what they stand on is listed beside them."""
        told = self.helm("test", "mcptasks", "--timeout=5m")
        suites = re.findall(
            r"^TEST SUITE:\s+(\S+-test-\S+)\n(?:(?!TEST SUITE).*\n)*?Phase:\s+Succeeded", told, re.MULTILINE
        )
        return sorted(suites)

    def start_tasks(self) -> list[str]:
        """Three tasks, all of them running."""
        client = self.client()
        ids = [client.create("count_slowly", {"steps": STEPS, "delay": 1}) for _ in range(3)]
        for task_id in ids:
            eventually(f"{task_id} runs", lambda task_id=task_id: self.status(task_id).get("startedAt"), 120)  # type: ignore[misc]
        return ids

    def status(self, task_id: str) -> JsonObject:
        found: JsonObject = self.kubectl.get("mcptask", task_id).get("status") or {}
        return found

    def end_well(self, ids: list[str]) -> None:
        """All tasks complete, with one attempt each."""
        client = self.client()
        for task_id in ids:
            eventually(f"{task_id} ends", lambda task_id=task_id: self.status(task_id).get("finishedAt"), 180)  # type: ignore[misc]
            status = self.status(task_id)
            assert (status["phase"], status["attempts"]) == ("completed", 1), status
            assert client.result(task_id)["structuredContent"] == {"result": STEPS}

    def close(self) -> None:
        for forward in self.forwards:
            forward.terminate()
            forward.communicate(timeout=10)
        self.helm("uninstall", "mcptasks", "--ignore-not-found", "--wait", "--timeout=3m", check=False)
        self.kubectl.run("delete", "namespace", self.namespace, "--timeout=180s", seconds=200)


def _values(pod_annotations: dict[str, str]) -> JsonObject:
    repository, _, tag = IMAGE.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        "server": {"allowedHosts": ["*"], "podAnnotations": pod_annotations},
        "operator": {"podAnnotations": pod_annotations},
    }


@pytest.fixture(scope="module")
def release(request: pytest.FixtureRequest) -> Iterator[Release]:
    kubeconfig = request.config.getoption("--kubeconfig")
    if not kubeconfig:
        raise pytest.UsageError("name the cluster: make chart-e2e KUBECONFIG=path/to/kubeconfig")
    namespace = f"mcptasks-chart-{secrets.token_hex(3)}"
    made = Release(Path(kubeconfig), Kubectl(Path(kubeconfig), namespace))
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": namespace, "labels": labels}
    made.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart of the version before."""
    given = os.environ.get("MCPTASKS_PREVIOUS_CHART")
    if given:
        return Path(given)
    copy = tmp_path_factory.mktemp("previous") / "mcptasks"
    shutil.copytree(CHART, copy)
    chart = copy / "Chart.yaml"
    chart.write_text(re.sub(r"(?m)^version: .*$", "version: 0.0.1", chart.read_text()))
    return copy


class TestRelease:
    """In this order."""

    def test_install_gives_a_working_endpoint_in_one_command(self, release: Release, previous: Path) -> None:
        release.install(previous, version="previous")
        assert release.client().old("tools/list").result["tools"]

    def test_its_own_tests_pass(self, release: Release) -> None:
        assert release.tests_passed() == ["mcptasks-test-cancelled", "mcptasks-test-completes", "mcptasks-test-health"]

    def test_an_upgrade_loses_no_task(self, release: Release) -> None:
        tasks = release.start_tasks()
        release.install(CHART, version="current")
        release.end_well(tasks)
        assert len(release.tests_passed()) == 3

    def test_a_rollback_loses_no_task(self, release: Release) -> None:
        tasks = release.start_tasks()
        release.helm("rollback", "mcptasks", "--wait", "--timeout=5m")
        release.end_well(tasks)
        assert release.client().old("tools/list").result["tools"]

    def test_uninstalling_keeps_tasks_and_nothing_else_that_runs(self, release: Release) -> None:
        task_id = release.client().create("count_slowly", {"steps": 1, "delay": 0})
        eventually("it ends", lambda: release.status(task_id).get("finishedAt"), 120)
        release.helm("uninstall", "mcptasks", "--wait", "--timeout=3m")
        for kind in ("deployments", "services", "mcptasktemplates", "roles", "networkpolicies", "configmaps"):
            left = [item["metadata"]["name"] for item in release.kubectl.list(kind)]
            assert [name for name in left if name != "kube-root-ca.crt"] == [], kind
        for crd in CRDS:
            assert release.kubectl.find("crd", crd)
        assert release.kubectl.find("mcptask", task_id)


class TestWithoutHelm:
    """What is rendered and applied by others (`helm template | kubectl apply`, kustomize, Argo CD) works as well."""

    def test_the_rendered_text_makes_a_working_installation(self, release: Release) -> None:
        text = release.rendered()
        apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        release.kubectl.run(*apply, stdin=text)
        try:
            for name in ("mcptasks-server", "mcptasks-operator"):
                release.kubectl.run("rollout", "status", f"deployment/{name}", "--timeout=180s", seconds=200)
            template = release.kubectl.get("mcptasktemplate", "default")
            assert template["spec"]["podTemplate"]["spec"]["containers"][0]["image"] == IMAGE
            task_id = release.client().create("count_slowly", {"steps": 2, "delay": 0})
            eventually("it ends", lambda: release.status(task_id).get("finishedAt"), 120)
            assert release.status(task_id)["phase"] == "completed", release.status(task_id)
            # A second apply, as every sync of Argo CD is one, changes nothing.
            release.kubectl.run(*apply, stdin=text)
            again = release.kubectl.get("mcptasktemplate", "default")
            assert again["metadata"]["generation"] == template["metadata"]["generation"]
        finally:
            release.kubectl.run(
                "delete", "--ignore-not-found", "--wait", "-f", "-", stdin=without_crds(text), seconds=200
            )


def without_crds(text: str) -> str:
    """Rendered text without what all tasks of a cluster hang on."""
    objects = [item for item in yaml.safe_load_all(text) if item and item["kind"] != "CustomResourceDefinition"]
    return yaml.safe_dump_all(objects)
