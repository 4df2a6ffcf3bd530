"""JSONPath."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.api import json_path

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
