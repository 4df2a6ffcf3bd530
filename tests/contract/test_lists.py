"""Lists, selectors, tables and watches."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import islice
from typing import Any

import pytest

from tests.contract.cleanup import Space
from tests.contract.client import Api
from tests.contract.conftest import Widgets

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("env=prod", ["a", "b"]),
        ("env==prod,tier=web", ["a"]),
        ("env!=prod", ["c", "d"]),
        ("env in (prod, dev)", ["a", "b", "c"]),
        ("env notin (prod)", ["c", "d"]),
        ("tier", ["a", "c"]),
        ("!env", ["d"]),
        ("env in (dev),tier", ["c"]),
    ],
)
def test_label_selectors(api: Api, space: Space, selector: str, expected: list[str]) -> None:
    labels = {
        "a": {"env": "prod", "tier": "web", "t": "1"},
        "b": {"env": "prod", "t": "1"},
        "c": {"env": "dev", "tier": "x", "t": "1"},
        "d": {"t": "1"},
    }
    for name, given in labels.items():
        api.post(space.path("configmaps"), {"metadata": {"name": name, "labels": given}}).ok(201)
    reply = api.get(space.path("configmaps"), labelSelector=f"{selector},t=1").ok()
    assert names(reply["items"]) == expected


def test_bad_selectors(api: Api, widgets: Widgets) -> None:
    assert api.get(widgets.path(), labelSelector="a b").code == 400
    reply = api.get(widgets.path(), fieldSelector="spec.size=1")
    assert reply.code == 400
    assert "field label not supported: spec.size" in reply.message


def test_field_selectors(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a", {"size": 1, "color": "green"})).ok(201)
    api.post(widgets.path(), widgets.body("b")).ok(201)
    api.patch(widgets.path("b", "status"), {"status": {"phase": "Done"}}).ok()

    def found(selector: str) -> list[str]:
        return names(api.get(widgets.path(), fieldSelector=selector).ok()["items"])

    assert found("metadata.name=a") == ["a"]
    assert found("spec.color=green") == ["a"]
    assert found("spec.color!=green") == ["b"]
    assert found("status.phase=Done") == ["b"]
    assert found("status.phase=") == ["a"]


def test_list_form(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    reply = api.get(widgets.path()).ok()
    assert (reply["kind"], reply["apiVersion"]) == ("WidgetList", widgets.api_version)
    assert int(reply["metadata"]["resourceVersion"]) > 0


def test_pages(api: Api, space: Space) -> None:
    for index in range(5):
        api.post(space.path("secrets"), {"metadata": {"name": f"s{index}"}}).ok(201)
    seen: list[str] = []
    token = ""
    while True:
        page = api.get(space.path("secrets"), limit=2, **({"continue": token} if token else {})).ok()
        seen += names(page["items"])
        token = page["metadata"].get("continue", "")
        if not token:
            break
        assert page["metadata"]["remainingItemCount"] == 5 - len(seen)
    assert seen == [f"s{index}" for index in range(5)]


def test_version_from_the_future(api: Api, widgets: Widgets) -> None:
    current = int(api.get(widgets.path()).ok()["metadata"]["resourceVersion"])
    reply = api.get(widgets.path(), resourceVersion=str(current + 1_000_000))
    assert (reply.code, reply.reason) == (504, "Timeout")
    assert reply.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert api.get(widgets.path(), resourceVersion="x").code == 400


def test_table(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    status = {"phase": "Done", "conditions": [{"type": "Ready", "status": "True"}]}
    api.patch(widgets.path("a", "status"), {"status": status}).ok()
    table = api.get(widgets.path(), accept=TABLE).ok()
    columns = [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]
    assert columns == [
        ("Name", "string", 0),
        ("Size", "integer", 0),
        ("Phase", "string", 0),
        ("Ready", "string", 0),
        ("Color", "string", 1),
        ("Age", "date", 0),
    ]
    row = table["rows"][0]
    assert row["cells"][:5] == ["a", 1, "Done", "True", "red"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    one = api.get(widgets.path("a"), accept=TABLE).ok()
    assert one["kind"] == "Table"


def test_table_of_absent_values(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    row = api.get(widgets.path(), accept=TABLE).ok()["rows"][0]
    assert row["cells"][:4] == ["a", 1, None, None]


def test_watch_resumes(api: Api, widgets: Widgets) -> None:
    version = api.get(widgets.path()).ok()["metadata"]["resourceVersion"]
    made = api.post(widgets.path(), widgets.body("a")).ok(201)
    api.patch(widgets.path("a"), {"spec": {"size": 2}}).ok()
    api.delete(widgets.path("a")).ok()
    events = list(api.watch(widgets.path(), 1, resourceVersion=version))
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert versions[0] == int(made["metadata"]["resourceVersion"])
    later = list(api.watch(widgets.path(), 1, resourceVersion=made["metadata"]["resourceVersion"]))
    assert [event["type"] for event in later] == ["MODIFIED", "DELETED"]


def test_watch_starts_with_what_is_there(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    with closing(api.watch(widgets.path(), 60)) as watch:
        events = [next(watch)]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [("ADDED", "a")]


def test_watch_selectors_make_transitions(api: Api, widgets: Widgets) -> None:
    version = api.get(widgets.path()).ok()["metadata"]["resourceVersion"]
    api.post(widgets.path(), widgets.body("a")).ok(201)
    api.patch(widgets.path("a"), {"spec": {"color": "green"}}).ok()
    api.patch(widgets.path("a"), {"spec": {"size": 2}}).ok()
    api.patch(widgets.path("a"), {"spec": {"color": "red"}}).ok()
    events = list(api.watch(widgets.path(), 1, resourceVersion=version, fieldSelector="spec.color=green"))
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]


def test_watch_from_a_version_that_is_gone(api: Api, space: Space) -> None:
    """Version 1 is long compacted on any cluster: the stream says so with an ERROR event, or the reply is a 410."""
    events = list(api.watch(space.path("configmaps"), 2, resourceVersion="1"))
    assert events[0]["type"] == "ERROR"
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")


def test_watch_ends_after_its_timeout(api: Api, widgets: Widgets) -> None:
    begin = time.monotonic()
    assert list(api.watch(widgets.path(), 1)) == []
    assert 0.9 < time.monotonic() - begin < 25


def test_watch_list_streams_the_initial_state(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with closing(api.watch(widgets.path(), 60, **query)) as watch:
        events = list(islice(watch, 2))
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_table_watch(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    with closing(api.watch(widgets.path(), 60, accept=TABLE)) as watch:
        first = next(watch)["object"]
        api.patch(widgets.path("a"), {"spec": {"size": 5}}).ok()
        second = next(watch)["object"]
    assert (first["kind"], second["kind"]) == ("Table", "Table")
    assert first["columnDefinitions"]
    assert second["rows"][0]["cells"][1] == 5


def test_all_namespaces(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    everywhere = api.get(f"/apis/{widgets.api_version}/widgets").ok()["items"]
    assert widgets.space.name in {item["metadata"]["namespace"] for item in everywhere}
