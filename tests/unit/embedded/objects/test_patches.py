"""Merge, JSON and strategic patches."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.objects.patches import json_patch, merge, strategic
from mcptasks_embedded.values.errors import ApiError

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge(target: Json, patch: Json, result: Json) -> None:
    """The examples of RFC 7386."""
    before = repr(target)
    assert merge(target, patch) == result
    assert repr(target) == before


def test_json_patch() -> None:
    target = {"a": [1, 2], "b": 1}
    operations = [{"op": "add", "path": "/a/-", "value": 3}, {"op": "move", "from": "/b", "path": "/c"}]
    assert json_patch(target, operations) == {"a": [1, 2, 3], "c": 1}
    assert target == {"a": [1, 2], "b": 1}


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ({"op": "add"}, 400),
        ([{"op": "nonsense", "path": "/a", "value": 1}], 400),
        ([{"op": "test", "path": "/b", "value": 2}], 422),
        ([{"op": "remove", "path": "/x/y"}], 422),
    ],
)
def test_bad_json_patches(operations: Any, code: int) -> None:
    with pytest.raises(ApiError) as refusal:
        json_patch({"a": [1], "b": 1}, operations)
    assert refusal.value.code == code


CONTAINERS: Json = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        (
            {"containers": [{"name": "b", "image": "3"}]},
            {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "3"}]},
        ),
        ({"containers": [{"name": "a", "$patch": "delete"}]}, {"containers": [{"name": "b", "image": "2"}]}),
        ({"containers": [{"$patch": "replace"}, {"name": "c"}]}, {"containers": [{"name": "c"}]}),
        (
            {"containers": [{"name": "c", "image": "4"}]},
            {"containers": [*CONTAINERS["containers"], {"name": "c", "image": "4"}]},
        ),
        ({"$patch": "replace", "x": 1}, {"x": 1}),
        ({"containers": None}, {}),
        ({"tolerations": [{"key": "x"}]}, {**CONTAINERS, "tolerations": [{"key": "x"}]}),
    ],
)
def test_strategic(patch: Json, result: Json) -> None:
    assert strategic(CONTAINERS, patch) == result


def test_strategic_needs_the_merge_key() -> None:
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        strategic(CONTAINERS, {"containers": [{"image": "x"}]})
