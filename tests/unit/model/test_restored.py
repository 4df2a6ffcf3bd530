"""Which objects are copies of earlier ones."""

from __future__ import annotations

import pytest

from mcptasks.model.base import ANNOTATION_CALLED_AT, ANNOTATION_RESTORED, API_VERSION, JsonObject
from mcptasks.model.restored import is_restored, is_restored_object
from mcptasks.model.task import McpTask


def an_object(called_at: str | None) -> JsonObject:
    annotations = {} if called_at is None else {ANNOTATION_CALLED_AT: called_at}
    metadata = {"name": "a", "uid": "u", "creationTimestamp": "2026-01-01T12:00:00Z", "annotations": annotations}
    return {"apiVersion": API_VERSION, "kind": "McpTask", "metadata": metadata, "spec": {"component": {"name": "a"}}}


@pytest.mark.parametrize(
    ("called_at", "restored"),
    [
        ("2026-01-01T11:59:59.900Z", False),
        ("2026-01-01T11:55:00.000Z", False),
        ("2026-01-01T11:54:59.000Z", True),
        ("2025-12-01T00:00:00.000Z", True),
        ("2026-01-01T12:30:00.000Z", False),
        ("yesterday", False),
        (None, False),
    ],
    ids=[
        "at once",
        "after five minutes",
        "a second more",
        "a month",
        "by a clock that is ahead",
        "no time",
        "kubectl's",
    ],
)
def test_an_object_that_is_minutes_younger_than_its_call_is_a_copy(called_at: str | None, restored: bool) -> None:
    item = an_object(called_at)
    assert is_restored_object(item) is restored
    assert is_restored(McpTask.model_validate(item)) is restored


@pytest.mark.parametrize(("mark", "restored"), [("true", True), ("false", False), ("", False)])
def test_so_is_one_that_is_marked_as_restored(mark: str, restored: bool) -> None:
    item = an_object("2026-01-01T12:00:00Z")
    item["metadata"]["annotations"][ANNOTATION_RESTORED] = mark
    assert is_restored_object(item) is restored


def test_an_object_that_says_nothing_of_itself_is_none() -> None:
    assert not is_restored_object({"metadata": {}})
    assert not is_restored_object({"metadata": {"annotations": None, "creationTimestamp": None}})
