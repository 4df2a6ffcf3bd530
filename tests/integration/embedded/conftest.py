"""An embedded cluster for each test module, and the ways to talk to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from mcptasks_embedded import Backoff, ClusterConfig, EmbeddedClusterThread
from tests.contract.cleanup import Space
from tests.contract.client import Api
from tests.contract.widgets import RULES, widget_crd

GROUP = "example.dev"


@pytest.fixture(scope="module")
def lines() -> list[tuple[str, str, str]]:
    """What containers printed: (pod, container, line)."""
    return []


@pytest.fixture(scope="module")
def cluster(lines: list[tuple[str, str, str]]) -> Iterator[EmbeddedClusterThread]:
    config = ClusterConfig(
        crds=[widget_crd(GROUP)],
        rules=RULES,
        entrypoint=["sh", "-c", "echo entrypoint $0 $@"],
        on_output=lambda pod, container, line: lines.append((pod, container, line)),
        backoff=Backoff(0.2, 1.0),
    )
    with EmbeddedClusterThread(config) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def api(cluster: EmbeddedClusterThread) -> Iterator[Api]:
    api = Api.of(cluster.kubeconfig)
    with api.http, api.anonymous:
        yield api


@pytest.fixture(scope="module")
def spaces(api: Api) -> Callable[[], Space]:
    numbers = itertools.count()

    def make() -> Space:
        name = f"space-{next(numbers)}"
        api.post("/api/v1/namespaces", {"metadata": {"name": name}}).ok(201)
        return Space(name)

    return make


@pytest.fixture
def space(spaces: Callable[[], Space]) -> Space:
    return spaces()
