"""Selectors, JSONPath, tables, routes."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.api import json_path
from mcptasks_embedded.api.builtin_columns import pod_status_text
from mcptasks_embedded.api.routes import resource_target
from mcptasks_embedded.api.tables import columns
from mcptasks_embedded.api.watch_requests import selected_event
from mcptasks_embedded.kinds.kind_registry import KindRegistry
from mcptasks_embedded.objects.selectors import label_selector_matches, parse_fields, parse_labels, parse_selection
from mcptasks_embedded.store.changes import Change, StoreEntry
from mcptasks_embedded.values.api_kind import ApiKind, PrinterColumn
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.references import GroupResource, Ref
from mcptasks_embedded.values.times import now

LABELS = {"env": "prod", "tier": "web", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("env=prod", True),
        ("env == prod , tier=web", True),
        ("env!=prod", False),
        ("absent!=x", True),
        ("env in (dev,prod)", True),
        ("env notin (dev, prod)", False),
        ("absent notin (x)", True),
        ("env", True),
        ("!env", False),
        ("!absent", True),
        ("empty=", True),
        ("a.b/c in (x)", False),
    ],
)
def test_labels(text: str, matches: bool) -> None:
    assert all(term.matches(LABELS) for term in parse_labels(text)) is matches


@pytest.mark.parametrize("text", ["a b", "=x", "a in x", "a,,b", "a=b=c", "in (x)"])
def test_bad_labels(text: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_labels(text)
    assert refusal.value.code == 400


def test_label_selector_objects() -> None:
    expressions = [{"key": "env", "operator": "In", "values": ["prod"]}, {"key": "x", "operator": "DoesNotExist"}]
    assert label_selector_matches({"matchLabels": {"tier": "web"}, "matchExpressions": expressions}, LABELS)
    assert not label_selector_matches({"matchLabels": {"tier": "db"}}, LABELS)


def test_fields() -> None:
    terms = parse_fields(r"a.b=x\,y,c!=z", lambda path: True)
    assert [(t.path, t.value, t.negated) for t in terms] == [("a.b", "x,y", False), ("c", "z", True)]
    assert all(term.matches({"a": {"b": "x,y"}}) for term in terms)
    with pytest.raises(ApiError, match=r"field label not supported: spec\.x"):
        parse_selection("batch", "jobs", (), "", "spec.x=1")
    assert parse_selection("batch", "jobs", (), "", "status.successful=1").fields[0].path == "status.succeeded"
    assert parse_selection("x.dev", "things", (".spec.a",), "", "spec.a=1").fields[0].path == "spec.a"


DOCUMENT: dict[str, Any] = {
    "metadata": {"labels": {"a.b/c": "dotted"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}], "n": 0},
    "items": [1, 2, 3],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".status.n", [0]),
        ("{.status.n}", [0]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type!='Ready')].type", ["Other"]),
        (".metadata.labels['a.b/c']", ["dotted"]),
        (r".metadata.labels.a\.b/c", ["dotted"]),
        (".items[0]", [1]),
        (".items[-1]", [3]),
        (".items[*]", [1, 2, 3]),
        (".items[9]", []),
        (".nope.nope", []),
    ],
)
def test_jsonpath(path: str, found: list[Any]) -> None:
    assert json_path.find(DOCUMENT, path) == found


def test_jsonpath_that_is_not_understood() -> None:
    with pytest.raises(ValueError, match="not understood"):
        json_path.find({}, ".a[(")


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("integer", 3, 3),
        ("integer", "3", None),
        ("boolean", True, True),
        ("boolean", 1, None),
        ("string", "x", "x"),
        ("string", {"a": 1}, '{"a":1}'),
        ("string", 7, "7"),
        ("date", "soon", "<invalid>"),
        ("number", 1.5, 1.5),
    ],
)
def test_cells(kind: str, value: Any, cell: Any) -> None:
    printed = (PrinterColumn("V", kind, ".v"),)
    column = columns(ApiKind("x.dev", "v1", "X", "xs", custom=True, columns=printed))[1]
    assert column.get({"metadata": {}, "v": value}, now()) == cell


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        ({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}, "ExitCode:3"),
        (
            {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]},
            "ErrImagePull",
        ),
        ({"phase": "Pending", "initContainerStatuses": [{"state": {"running": {}}}]}, "Init:0/1"),
    ],
)
def test_pod_status(status: dict[str, Any], text: str) -> None:
    assert pod_status_text({"metadata": {}, "spec": {}, "status": status}, now()) == text


@pytest.mark.parametrize(
    ("before", "kind", "after", "event"),
    [
        (None, "ADDED", "x", "ADDED"),
        (None, "ADDED", "y", ""),
        ("y", "MODIFIED", "x", "ADDED"),
        ("x", "MODIFIED", "x", "MODIFIED"),
        ("x", "MODIFIED", "y", "DELETED"),
        ("y", "MODIFIED", "y", ""),
        ("x", "DELETED", "x", "DELETED"),
        ("y", "DELETED", "y", ""),
    ],
)
def test_selected_events(before: str | None, kind: Any, after: str, event: str) -> None:
    ref = Ref(GroupResource("", "configmaps"), "ns", "a")

    def entry(label: str) -> StoreEntry:
        return StoreEntry(ref, {"metadata": {"labels": {"l": label}}}, 1)

    change = Change(kind, 1, entry(after), entry(before) if before else None)
    assert selected_event(change, parse_selection("", "configmaps", (), "l=x", "")) == event


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


def test_other_paths_are_no_resources() -> None:
    assert resource_target(KindRegistry(), "GET", "/apis/batch/v1", {}) is None
