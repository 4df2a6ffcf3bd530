"""One release of the chart on a real cluster, as its tests use it."""

from __future__ import annotations

import os
import re
import secrets
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

    def install(self, chart: Path, values: JsonObject) -> None:
        """Install or upgrade, as a platform team does: in one command that waits."""
        options = ("--install", *take_over(), "--wait", "--timeout=5m", "--values=-")
        self.helm("upgrade", "mcptasks", str(chart), *options, values=values)

    def rendered(self) -> str:
        """The chart as text, for others to apply."""
        return self.helm("template", "mcptasks", str(CHART), "--skip-tests", "--values=-", values=values_of())

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


def values_of(image: str = IMAGE, **pod_annotations: str) -> JsonObject:
    """The least that a release needs, with that image."""
    repository, _, tag = image.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        "server": {"allowedHosts": ["*"], "podAnnotations": pod_annotations},
        "operator": {"podAnnotations": pod_annotations},
    }


def new_release(kubeconfig: str | None) -> Iterator[Release]:
    """A release in a namespace of its own, removed with everything in it at the end; nothing is installed yet."""
    if not kubeconfig:
        raise pytest.UsageError("name the cluster: make chart-e2e KUBECONFIG=path/to/kubeconfig")
    namespace = f"mcptasks-chart-{secrets.token_hex(3)}"
    made = Release(Path(kubeconfig), Kubectl(Path(kubeconfig), namespace))
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    made.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    try:
        yield made
    finally:
        made.close()
