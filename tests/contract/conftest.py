"""The cluster under contract: the one of `--kubeconfig`, or an embedded one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcptasks.local import ClusterConfig, LocalClusterThread
from tests.contract.client import Api, eventually
from tests.contract.widgets import RULES, widget_crd


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Iterator[Path]:
    given = request.config.getoption("--kubeconfig")
    if given:
        yield Path(given)
        return
    with LocalClusterThread(ClusterConfig(rules=RULES)) as cluster:
        yield cluster.kubeconfig


@pytest.fixture(scope="session")
def api(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    api = Api.of(kubeconfig, tmp_path_factory.mktemp("client"))
    with api.http, api.anonymous:
        yield api


@dataclass(frozen=True)
class Space:
    """A throw-away namespace and the paths in it."""

    name: str

    def path(self, plural: str, name: str = "", sub: str = "", group: str = "v1") -> str:
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        return "/".join(part for part in (f"{root}/namespaces/{self.name}/{plural}", name, sub) if part)

    def jobs(self, name: str = "", sub: str = "") -> str:
        return self.path("jobs", name, sub, "batch/v1")


@pytest.fixture
def space(api: Api) -> Iterator[Space]:
    name = f"contract-{secrets.token_hex(4)}"
    api.post("/api/v1/namespaces", {"metadata": {"name": name}}).ok(201)
    space = Space(name)
    eventually(lambda: api.get(space.path("serviceaccounts", "default")).code == 200)
    yield space
    api.delete(f"/api/v1/namespaces/{name}")


@dataclass(frozen=True)
class Widgets:
    """The paths of a custom resource in the throw-away namespace."""

    group: str
    space: Space

    @property
    def api_version(self) -> str:
        return f"{self.group}/v1alpha1"

    def path(self, name: str = "", sub: str = "") -> str:
        return self.space.path("widgets", name, sub, self.api_version)

    def body(self, name: str, spec: dict[str, object] | None = None) -> dict[str, object]:
        metadata = {"name": name}
        spec = {"size": 1} if spec is None else spec
        return {"apiVersion": self.api_version, "kind": "Widget", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="session")
def widget_group(api: Api) -> Iterator[str]:
    group = f"contract-{secrets.token_hex(3)}.mcptasks.dev"
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    api.post(crds, widget_crd(group)).ok(201)

    def served() -> bool:
        return api.get(f"/apis/{group}/v1alpha1/widgets").code == 200

    eventually(served)
    yield group
    api.delete(f"{crds}/widgets.{group}")


@pytest.fixture
def widgets(widget_group: str, space: Space) -> Widgets:
    return Widgets(widget_group, space)


@pytest.fixture(scope="session")
def image() -> str:
    """An image with `sh` that a node has already; the embedded cluster ignores it."""
    return os.environ.get("MCPTASKS_CONTRACT_IMAGE", "local/python:3.11")
