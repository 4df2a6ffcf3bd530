"""What a watch with a selector sees."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.api.watch_requests import selected_event
from mcptasks_embedded.objects.selectors import parse_selection
from mcptasks_embedded.store.changes import Change, StoreEntry
from mcptasks_embedded.values.references import GroupResource, Ref


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
