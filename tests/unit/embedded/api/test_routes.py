"""Paths of requests."""

from __future__ import annotations

import pytest

from mcptasks_embedded.api.routes import resource_target
from mcptasks_embedded.kinds.kind_registry import KindRegistry
from mcptasks_embedded.values.errors import ApiError


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods", ("list", "", "", "")),
        ("GET", "/api/v1/namespaces/n/pods/p", ("get", "n", "p", "")),
        ("GET", "/api/v1/namespaces/n/pods/p/log", ("get", "n", "p", "log")),
        ("POST", "/api/v1/namespaces/n/pods/p/eviction", ("create", "n", "p", "eviction")),
        ("PATCH", "/apis/batch/v1/namespaces/n/jobs/j/status", ("patch", "n", "j", "status")),
        ("DELETE", "/api/v1/namespaces/n/pods", ("deletecollection", "n", "", "")),
        ("GET", "/api/v1/namespaces/n", ("get", "", "n", "")),
        ("PUT", "/api/v1/namespaces/n/status", ("update", "", "n", "status")),
    ],
)
def test_routes(method: str, path: str, expected: tuple[str, ...]) -> None:
    target = resource_target(KindRegistry(), method, path, {})
    assert target is not None
    assert (target.verb, target.namespace, target.name, target.subresource) == expected


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/nonsense", 404),
        ("GET", "/api/v1/namespaces/n/nodes", 404),
        ("GET", "/api/v1/namespaces/n/pods/p/nonsense", 404),
        ("POST", "/api/v1/namespaces/n/pods/p", 405),
        ("PUT", "/api/v1/namespaces/n/pods", 405),
        ("OPTIONS", "/api/v1/pods", 405),
        ("GET", "/apis/authentication.k8s.io/v1/tokenreviews", 405),
        ("POST", "/api/v1/namespaces/n/pods/p/log", 405),
    ],
)
def test_bad_routes(method: str, path: str, code: int) -> None:
    with pytest.raises(ApiError) as refusal:
        resource_target(KindRegistry(), method, path, {})
    assert refusal.value.code == code


def test_other_paths_are_not_resources() -> None:
    assert resource_target(KindRegistry(), "GET", "/apis/batch/v1", {}) is None
