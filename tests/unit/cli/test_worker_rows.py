"""Workers as rows: what they do, and what of it fits into a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mcptasks.cli.kubectl_tables import TablePrinter
from mcptasks.cli.worker_rows import WorkerActivity, WorkerLayout, layout_for, table_of, worker_rows
from mcptasks.model.base import ANNOTATION_DRAIN, LABEL_TEMPLATE, JsonObject

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
NODE = "ip-10-0-147-23.eu-central-1.compute.internal"


def pod(name: str, *, ready: bool = True, drains: bool = False, owner: str = "warm", **status: Any) -> JsonObject:
    kind = status.pop("owner_kind", "McpTaskTemplate")
    conditions = [{"type": "Ready", "status": str(ready)}, *status.pop("conditions", ())]
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "creationTimestamp": "2026-05-01T11:57:00Z",
            "labels": {LABEL_TEMPLATE: "warm"},
            "annotations": {ANNOTATION_DRAIN: "true"} if drains else {},
            "ownerReferences": [{"kind": kind, "name": owner}],
        },
        "spec": {"nodeName": NODE, "containers": [{"name": "runner"}]},
        "status": {"phase": "Running", "conditions": conditions, **status},
    }


def task(name: str, worker: str, phase: str = "working", tool: str = "report") -> JsonObject:
    return {
        "metadata": {"name": name},
        "spec": {"component": {"name": tool}, "principal": {"subject": "ann"}},
        "status": {"phase": phase, "podUid": f"uid-{worker}", "startedAt": "2026-05-01T11:59:15Z"},
    }


def container(**state: Any) -> list[JsonObject]:
    return [{"name": "runner", "state": state}]


LOADING = container(running={})
PULLING = container(waiting={"reason": "ImagePullBackOff", "message": "no such image"})
UNLOADABLE = container(terminated={"exitCode": 66, "reason": "Error", "message": "No module named pandas\n"})
NO_ROOM = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]

STATES: list[tuple[str, JsonObject, list[JsonObject], WorkerActivity, str]] = [
    ("idle", pod("w"), [], WorkerActivity.IDLE, ""),
    ("busy", pod("w"), [task("t", "w")], WorkerActivity.BUSY, ""),
    ("draining, with a task", pod("w", drains=True), [task("t", "w")], WorkerActivity.DRAINING, ""),
    ("loading", pod("w", ready=False, containerStatuses=LOADING), [], WorkerActivity.STARTING, "loads its module"),
    (
        "without its image",
        pod("w", ready=False, phase="Pending", containerStatuses=PULLING),
        [],
        WorkerActivity.STARTING,
        "ImagePullBackOff: no such image",
    ),
    (
        "without a node",
        pod("w", ready=False, phase="Pending", conditions=NO_ROOM),
        [],
        WorkerActivity.STARTING,
        "Unschedulable: 0/3 nodes",
    ),
    (
        "failed",
        pod("w", ready=False, phase="Failed", containerStatuses=UNLOADABLE),
        [],
        WorkerActivity.FAILED,
        "Error (exit code 66): No module named pandas",
    ),
]


@pytest.mark.parametrize("case", STATES, ids=lambda case: case[0])
def test_a_worker_says_what_it_does(case: tuple[str, JsonObject, list[JsonObject], WorkerActivity, str]) -> None:
    _, worker, tasks, state, detail = case
    (row,) = worker_rows([worker], tasks, ())
    assert (row.state, row.detail) == (state, detail)


def test_tasks_that_have_ended_are_counted_and_the_others_shown() -> None:
    tasks = [task("a", "w", "completed"), task("b", "w", "failed"), task("c", "w"), task("d", "other")]
    (row,) = worker_rows([pod("w")], tasks, ())
    assert row.done == 2
    assert [(call.task, call.component, call.caller) for call in row.calls] == [("c", "report", "ann")]


def test_pods_that_are_only_the_record_of_a_task_are_no_workers() -> None:
    records = [
        pod("done", phase="Succeeded"),
        pod("job", phase="Failed", owner="report-1", owner_kind="Job"),
        pod("runs", owner="report-2", owner_kind="Job"),
    ]
    rows = worker_rows(records, [task("report-2", "runs")], ())
    assert [(row.name, row.template, row.state) for row in rows] == [("runs", "warm", WorkerActivity.BUSY)]


def test_workers_are_those_of_the_templates_that_are_named() -> None:
    pods = [pod("a", owner="quick"), pod("b", owner="warm")]
    assert [row.name for row in worker_rows(pods, [], ["warm"])] == ["b"]


def test_values_for_programs_leave_out_what_is_not_there() -> None:
    (row,) = worker_rows([pod("w")], [task("a", "w")], ())
    assert row.dump() == {
        "namespace": "default",
        "name": "w",
        "template": "warm",
        "state": "busy",
        "node": NODE,
        "createdAt": "2026-05-01T11:57:00.000Z",
        "tasksDone": 0,
        "runs": [{"task": "a", "component": "report", "caller": "ann", "since": "2026-05-01T11:59:15.000Z"}],
    }


def lines(fits: int | None) -> list[str]:
    """A pool with one worker that is busy with a call of a usual tool, one that is idle and one that starts."""
    busy = task("generate-report-56xjcpetfzdhbinlz4jz2635ao", "warm-w-1a2b3c4d", tool="generate_report")
    pods = [pod("warm-w-1a2b3c4d"), pod("warm-w-5e6f7081"), pod("warm-w-92a3b4c5", ready=False)]
    rows = worker_rows(pods, [busy], ())

    def rendered(layout: WorkerLayout) -> list[str]:
        return [line.rstrip() for line in TablePrinter().render(table_of(rows, NOW, layout))]

    return rendered(layout_for(rows, fits, lambda layout: max(map(len, rendered(layout)))))


def test_everything_is_shown_where_there_is_room() -> None:
    shown = lines(None)
    assert shown[0].split() == ["NAME", "TEMPLATE", "STATE", "NODE", "AGE", "DONE", "TASK", "RUNS", "FOR"]
    assert shown[1].split() == [
        *("warm-w-1a2b3c4d", "warm", "busy", NODE, "3m", "0"),
        *("generate-report-56xjcpetfzdhbinlz4jz2635ao", "generate_report", "45s"),
    ]


def test_a_terminal_of_120_columns_has_no_room_for_a_long_node() -> None:
    assert lines(120)[0].split() == ["NAME", "TEMPLATE", "STATE", "AGE", "DONE", "TASK", "RUNS", "FOR"]
    assert max(map(len, lines(120))) <= 120


def test_a_terminal_of_80_columns_shows_the_task_as_far_as_it_can() -> None:
    shown = lines(80)
    assert max(map(len, shown)) <= 80
    task_cell = shown[1].split()[5]
    assert len(task_cell) >= 12
    assert "generate-report-56xjcpetfzdhbinlz4jz2635ao".startswith(task_cell)


def test_a_worker_that_runs_several_tasks_has_a_line_for_each() -> None:
    rows = worker_rows([pod("w")], [task("a", "w"), task("b", "w")], ())
    cells = [row["cells"] for row in table_of(rows, NOW, WorkerLayout())["rows"]]
    assert [(each[0], each[6]) for each in cells] == [("w", "a"), ("w", "b")]
