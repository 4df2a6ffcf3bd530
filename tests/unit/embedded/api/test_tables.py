"""Cells of Tables."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.api.builtin_columns import pod_status_text
from mcptasks_embedded.api.tables import columns
from mcptasks_embedded.values.api_kind import ApiKind, PrinterColumn
from mcptasks_embedded.values.times import now


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
