"""Server-side apply."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.objects.server_side_apply import Applier, apply, minus, without
from mcptasks_embedded.values.errors import ApiError

Json = dict[str, Any]
ME = Applier("me", force=False)
YOU = Applier("you", force=False)


def live(spec: Json, who: Applier = ME, before: Json | None = None) -> Json:
    return apply(before, {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "spec": spec}, None, who, "now")


def test_apply_drops_what_is_no_longer_applied() -> None:
    first = live({"a": 1, "b": {"c": 2}})
    assert live({"a": 1}, before=first)["spec"] == {"a": 1}


def test_apply_keeps_what_others_wrote() -> None:
    first = live({"a": 1})
    touched = {**first, "spec": {"a": 1, "other": 2}}
    assert live({"a": 3}, before=touched)["spec"] == {"a": 3, "other": 2}


def test_apply_conflicts() -> None:
    first = live({"a": 1, "b": 1})
    with pytest.raises(ApiError, match=r'conflict with "me": .spec.a'):
        live({"a": 2}, YOU, first)
    assert live({"a": 1}, YOU, first)["spec"] == {"a": 1, "b": 1}
    forced = live({"a": 2}, Applier("you", force=True), first)
    assert forced["spec"] == {"a": 2, "b": 1}
    owners = {entry["manager"]: entry["fieldsV1"] for entry in forced["metadata"]["managedFields"]}
    assert owners == {"me": {"f:spec": {"f:b": {}}}, "you": {"f:spec": {"f:a": {}}}}


def test_apply_merges_lists_by_key() -> None:
    first = live({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]})
    second = live({"containers": [{"name": "a", "image": "2"}]}, before=first)
    assert second["spec"] == {"containers": [{"name": "a", "image": "2"}]}


def test_field_sets() -> None:
    assert minus({"f:a": {}, "f:b": {"f:c": {}, "f:d": {}}}, {"f:b": {"f:c": {}}}) == {"f:a": {}, "f:b": {"f:d": {}}}
    assert without({"a": 1, "b": {"c": 1}}, {"f:b": {"f:c": {}}}) == {"a": 1}
