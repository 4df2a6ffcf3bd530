"""The cluster under contract: the one of `--kubeconfig`, or an embedded one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mcptasks.model.base import VERSION
from mcptasks.model.cel_rules import CEL_RULES
from mcptasks.model.crds import custom_resource_definitions
from mcptasks_embedded import ClusterConfig, EmbeddedClusterThread
from tests.contract.cleanup import GROUP_PREFIX, Space, temporary_definition, temporary_space
from tests.contract.client import Api, Json
from tests.contract.widgets import RULES, widget_crd
from tests.support.polling import eventually

TASKS = "contracttasks"
TEMPLATES = "contracttemplates"
"""Not the plurals of the definitions that the cluster may have: kubectl would take one for the other."""


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Iterator[Path]:
    given = request.config.getoption("--kubeconfig")
    if given:
        yield Path(given)
        return
    with EmbeddedClusterThread(ClusterConfig(rules={**RULES, **CEL_RULES})) as cluster:
        yield cluster.kubeconfig


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Iterator[Api]:
    api = Api.of(kubeconfig)
    with api.http, api.anonymous:
        yield api


@pytest.fixture(scope="session")
def spaces(api: Api) -> Iterator[list[Space]]:
    """The namespaces of this run; none of them outlives it."""
    made: list[Space] = []
    yield made
    eventually("the namespaces are gone", lambda: all(api.get(space.own_path).code == 404 for space in made), 120, 0.5)


@pytest.fixture
def space(api: Api, spaces: list[Space]) -> Iterator[Space]:
    with temporary_space(api) as space:
        spaces.append(space)
        yield space


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

    def body(self, name: str, spec: Json | None = None) -> Json:
        metadata = {"name": name}
        spec = {"size": 1} if spec is None else spec
        return {"apiVersion": self.api_version, "kind": "Widget", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="session")
def widget_group(api: Api) -> Iterator[str]:
    group = f"{GROUP_PREFIX}{secrets.token_hex(3)}.mcptasks.dev"
    with temporary_definition(api, widget_crd(group)):
        yield group


@pytest.fixture
def widgets(widget_group: str, space: Space) -> Widgets:
    return Widgets(widget_group, space)


@dataclass(frozen=True)
class TaskPaths:
    """The paths of McpTasks in the throw-away namespace, under a group of the tests' own."""

    group: str
    space: Space

    @property
    def api_version(self) -> str:
        return f"{self.group}/{VERSION}"

    def path(self, name: str = "", sub: str = "") -> str:
        return self.space.path(TASKS, name, sub, self.api_version)

    def body(self, name: str, **spec: Any) -> Json:
        spec = {"server": "s", "component": {"name": "t"}, **spec}
        return {"apiVersion": self.api_version, "kind": "McpTask", "metadata": {"name": name}, "spec": spec}


@dataclass(frozen=True)
class TemplatePaths:
    """The paths of McpTaskTemplates in the throw-away namespace, under a group of the tests' own."""

    group: str
    space: Space

    def path(self) -> str:
        return self.space.path(TEMPLATES, group=f"{self.group}/{VERSION}")

    def body(self, spec: Json) -> Json:
        return {
            "apiVersion": f"{self.group}/{VERSION}",
            "kind": "McpTaskTemplate",
            "metadata": {"generateName": "a-"},
            "spec": spec,
        }


@contextmanager
def own_definition(api: Api, kind: str, plural: str) -> Iterator[str]:
    """The definition of a kind of ours under another group, beside the one that the cluster may have installed."""
    [crd] = [crd for crd in custom_resource_definitions() if crd["spec"]["names"]["kind"] == kind]
    group = f"{GROUP_PREFIX}{secrets.token_hex(3)}.tasks.mcptasks.dev"
    names = {"plural": plural, "singular": plural.removesuffix("s"), "kind": kind}
    spec = {**crd["spec"], "group": group, "names": names}
    with temporary_definition(api, {**crd, "metadata": {"name": f"{plural}.{group}"}, "spec": spec}):
        yield group


@pytest.fixture(scope="session")
def task_group(api: Api) -> Iterator[str]:
    with own_definition(api, "McpTask", TASKS) as group:
        yield group


@pytest.fixture(scope="session")
def template_group(api: Api) -> Iterator[str]:
    with own_definition(api, "McpTaskTemplate", TEMPLATES) as group:
        yield group


@pytest.fixture
def templates(template_group: str, space: Space) -> TemplatePaths:
    return TemplatePaths(template_group, space)


@pytest.fixture
def tasks(task_group: str, space: Space) -> TaskPaths:
    return TaskPaths(task_group, space)


@pytest.fixture(scope="session")
def image() -> str:
    """An image with `sh` that a node has already; the embedded cluster ignores it."""
    return os.environ.get("MCPTASKS_CONTRACT_IMAGE", "mcptasks-e2e:dev")
