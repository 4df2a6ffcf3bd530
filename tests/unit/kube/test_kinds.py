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


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a%2Fb", "a?b", "a#b", "/", "a\\b"])
@pytest.mark.parametrize("place", range(3))
def test_what_would_be_another_path_is_none(place: int, text: str) -> None:
    """With an empty name, or a dot, the path would be that of the collection: a DELETE of all objects."""
    arguments = ["ns", "a", "status"]
    arguments[place] = text
    with pytest.raises(ValueError, match="cannot be in a path"):
        MCP_TASKS.path(*arguments)
