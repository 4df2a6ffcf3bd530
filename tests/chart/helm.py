"""A real helm, as the tests use it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mcptasks.model.base import JsonObject

ROOT = Path(__file__).parents[2]
CHART = Path(os.environ.get("MCPTASKS_CHART") or ROOT / "charts" / "mcptasks")
"""A folder, or what `helm package` has made of it."""

CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
EXAMPLE_VALUES = sorted((ROOT / "examples").glob("*/values.yaml"))
POLICY_KIND = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
KNOWN_KINDS = ("mcptasks.dev/v1alpha1/McpTask", "mcptasks.dev/v1alpha1/McpTaskTemplate")


def helm_path() -> str:
    """The helm to use: $HELM, the one on the PATH, or the one that the tests' tools have."""
    path = os.environ.get("HELM") or shutil.which("helm") or shutil.which("helm", path=ROOT / ".cache" / "tools")
    if path is None:
        raise RuntimeError("no helm on the PATH: install Helm 3.14 or newer, or set HELM")
    return path


def helm(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run helm; its exit code is the caller's to judge."""
    return subprocess.run([helm_path(), *arguments], input=stdin, capture_output=True, text=True, timeout=60)


def notes(*arguments: str) -> str:
    """What an installation with these options tells its user at the end."""
    done = helm("install", "mcptasks", str(CHART), "--namespace=n", "--dry-run=client", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.rpartition("NOTES:")[2]


def take_over() -> tuple[str, ...]:
    """Options with which a release takes over CRDs that somebody else applied, whatever version they are of."""
    version = helm("version", "--template={{.Version}}").stdout
    return ("--take-ownership",) if version.startswith("v3.") else ("--take-ownership", "--force-conflicts")


@dataclass(frozen=True)
class Rendered:
    """What helm would send to the API server."""

    objects: tuple[JsonObject, ...]

    def all(self, kind: str, component: str | None = None) -> list[JsonObject]:
        return [item for item in self.objects if item["kind"] == kind and component in (None, component_of(item))]

    def find(self, kind: str, name: str) -> JsonObject:
        """The object of the name; an AssertionError lists those there are."""
        found = [item for item in self.all(kind) if item["metadata"]["name"] == name]
        names = [item["metadata"]["name"] for item in self.all(kind)]
        assert len(found) == 1, f"{kind} {name} is not among {names}"
        return found[0]

    def pods(self) -> Iterator[JsonObject]:
        """The PodSpec of every Deployment and Pod."""
        for item in self.objects:
            if item["kind"] == "Deployment":
                yield item["spec"]["template"]["spec"]
            elif item["kind"] == "Pod":
                yield item["spec"]


def component_of(item: JsonObject) -> str | None:
    labels: dict[str, str] = item["metadata"].get("labels") or {}
    return labels.get("app.kubernetes.io/component")


def render(
    values: JsonObject | None = None,
    *,
    files: Sequence[Path] = (),
    release: str = "mcptasks",
    namespace: str = "mcptasks",
    known: bool = True,
    policies: bool = True,
) -> Rendered:
    """The rendered chart. `known`: the cluster has our CRDs already. `policies`: it has admission policies.

    Raises:
        AssertionError: helm refuses; the message is helm's.
    """
    kinds = [*(KNOWN_KINDS if known else ()), *([POLICY_KIND] if policies else ())]
    done = helm(*_template(files, release, namespace, kinds), stdin=yaml.safe_dump(values or {}))
    assert done.returncode == 0, done.stderr
    return Rendered(tuple(item for item in yaml.safe_load_all(done.stdout) if item))


def refusal(values: JsonObject) -> str:
    """What helm says to values that it must refuse."""
    done = helm(*_template((), "mcptasks", "mcptasks", KNOWN_KINDS), stdin=yaml.safe_dump(values))
    assert done.returncode != 0, "helm accepts it"
    return done.stderr


def _template(files: Sequence[Path], release: str, namespace: str, known: Sequence[str]) -> list[str]:
    kinds = [f"--api-versions={kind}" for kind in known]
    values = [f"--values={path}" for path in files]
    return ["template", release, str(CHART), f"--namespace={namespace}", *kinds, *values, "--values=-"]


def container(deployment: JsonObject) -> JsonObject:
    """The first container of a Deployment."""
    first: JsonObject = deployment["spec"]["template"]["spec"]["containers"][0]
    return first


def environment(deployment: JsonObject) -> dict[str, str | None]:
    """The variables of a Deployment's first container; None where they are from elsewhere."""
    return {entry["name"]: entry.get("value") for entry in container(deployment)["env"]}
