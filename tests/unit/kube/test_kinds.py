"""Where the API server keeps what."""

from __future__ import annotations

import pytest

from mcptasks.kube.kinds import MCP_TASKS, NAMESPACES, PODS, Resource


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (MCP_TASKS, (), "/apis/mcptasks.dev/v1alpha1/mcptasks"),
        (MCP_TASKS, ("ns", "a", "status"), "/apis/mcptasks.dev/v1alpha1/namespaces/ns/mcptasks/a/status"),
        (PODS, ("ns",), "/api/v1/namespaces/ns/pods"),
        (NAMESPACES, ("ns", "a"), "/api/v1/namespaces/a"),
    ],
)
def test_the_path_of_a_resource(resource: Resource, arguments: tuple[str, ...], path: str) -> None:
    assert resource.path(*arguments) == path
