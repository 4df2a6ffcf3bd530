"""What the dashboard keeps of a task."""

from __future__ import annotations

import json

from mcptasks.dashboard.task_rows import row_of, shown_part
from tests.unit.dashboard.page_site import task_item


def test_nothing_long_is_kept_whoever_has_written_it() -> None:
    long = "x" * 500_000
    item = task_item(
        "x",
        message=long,
        reason=long,
        nodeName=long,
        podName=long,
        log={"text": long},
        unheardOf={"of": long},
        progress={"current": 1, "message": long},
    )
    item["metadata"] |= {"annotations": {"note": long}, "labels": {"a": "b"}, "managedFields": [long]}
    item["spec"] |= {
        "component": {"kind": "tool", "name": long},
        "principal": {"subject": long, "claims": {"groups": [long]}},
        "templateRef": {"name": long},
        "idempotencyKey": long,
    }
    assert len(json.dumps(shown_part(item))) < 4000


def test_the_row_is_the_same_as_that_of_the_whole_task() -> None:
    item = task_item(
        "x",
        attempts=2,
        podName="x-1",
        nodeName="node-1",
        executor="Warm",
        message="reading",
        lastUpdatedAt="2026-11-30T12:00:09Z",
        progress={"current": 1.5, "total": 3, "message": "half", "display": "1.5/3"},
    )
    item["spec"] |= {"principal": {"clientId": "web"}, "templateRef": {"name": "gpu"}}
    assert row_of(shown_part(item)) == row_of(item)
    assert row_of(shown_part(item)).caller == "web"
