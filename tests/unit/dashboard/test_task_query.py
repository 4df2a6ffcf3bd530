"""Which tasks a list shows: filters in the address, order, pages, and what needs a look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mcptasks.dashboard.task_query import PAGE_SIZE, ListQuery, TaskListView, list_view
from mcptasks.dashboard.task_rows import TaskRow, row_of, shown_part
from mcptasks.model.task import Phase
from tests.unit.dashboard.page_site import task_item

NOW = datetime(2026, 11, 30, 13, 0, tzinfo=UTC)


def row(
    name: str, phase: Phase = Phase.COMPLETED, *, tool: str = "report", minutes: float = 10, **more: object
) -> TaskRow:
    created = NOW - timedelta(minutes=minutes)
    known = {
        "namespace": "team",
        "name": name,
        "tool": tool,
        "phase": phase,
        "reason": "Running" if phase is Phase.WORKING else "Completed",
        "message": "",
        "caller": "",
        "template": "default",
        "executor": "Job",
        "created": created,
        "started": created,
        "finished": None if phase in (Phase.WORKING, Phase.INPUT_REQUIRED) else created + timedelta(seconds=20),
    }
    return TaskRow(**(known | more))  # type: ignore[arg-type]


def names(rows: list[TaskRow], **query: str) -> list[str]:
    return [shown.name for shown in view(rows, **query).rows]


def view(rows: list[TaskRow], **query: str) -> TaskListView:
    return list_view(rows, ListQuery.parse(query), NOW)


ROWS = [
    row("a", minutes=30, caller="ann"),
    row("b", Phase.FAILED, minutes=20, reason="OOMKilled", message="too much memory"),
    row("c", Phase.WORKING, tool="import", minutes=120, current=1.0, total=4.0, updated=NOW),
    row("d", minutes=1, namespace="others"),
]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["d", "b", "a", "c"]),
        ({"phase": "failed"}, ["b"]),
        ({"tool": "import"}, ["c"]),
        ({"caller": "ann"}, ["a"]),
        ({"namespace": "others"}, ["d"]),
        ({"age": "1h"}, ["d", "b", "a"]),
        ({"duration": "1h"}, ["c"]),
        ({"q": "MEMORY"}, ["b"]),
        ({"q": "oomkilled", "phase": "completed"}, []),
        ({"sort": "name"}, ["a", "b", "c", "d"]),
        ({"sort": "name", "order": "desc"}, ["d", "c", "b", "a"]),
        ({"sort": "progress"}, ["c", "d", "b", "a"]),
        ({"sort": "duration"}, ["c", "d", "b", "a"]),
    ],
)
def test_the_address_says_what_is_shown(query: dict[str, str], expected: list[str]) -> None:
    assert names(ROWS, **query) == expected


@pytest.mark.parametrize(
    "wrong", [{"phase": "x"}, {"sort": "__class__"}, {"page": "-1"}, {"page": "9" * 30}, {"age": "9y"}, {"order": "up"}]
)
def test_what_the_address_says_wrongly_counts_as_not_said(wrong: dict[str, str]) -> None:
    assert names(ROWS, **wrong) == names(ROWS)


def test_counts_by_phase_are_of_all_other_filters() -> None:
    found = view(ROWS, phase="failed", age="1h")
    assert found.counts == {"completed": 2, "failed": 1}
    assert found.found == 1


def test_a_list_is_read_page_by_page() -> None:
    many = [row(f"t{number:04}", minutes=number) for number in range(2 * PAGE_SIZE + 1)]
    assert names(many, page="2")[0] == f"t{PAGE_SIZE:04}"
    last = view(many, page="99")
    assert (last.query.page, last.pages, last.first, last.last) == (3, 3, 2 * PAGE_SIZE + 1, 2 * PAGE_SIZE + 1)


def test_an_address_leads_to_what_it_was_made_of() -> None:
    query = ListQuery.parse({"q": "a&b=c", "phase": "failed", "page": "3"})
    assert query.address() == "/tasks?phase=failed&q=a%26b%3Dc"
    assert query.address(page=4) == "/tasks?phase=failed&q=a%26b%3Dc&page=4"
    assert ListQuery().address() == "/tasks"
    assert ListQuery().sorted_by("created") == "/tasks?order=asc"
    assert ListQuery().sorted_by("name") == "/tasks?sort=name"


def concerns(*rows: TaskRow) -> list[str]:
    return [f"{concern.row.name} {concern.why}" for concern in view(list(rows)).concerns]


def test_what_is_slow_or_stuck_comes_first() -> None:
    usual = [row(f"u{number}") for number in range(5)]
    found = concerns(
        *usual,
        row("slow", Phase.WORKING, minutes=5),
        row("fine", Phase.WORKING, minutes=0.3),
        row("asks", Phase.INPUT_REQUIRED, reason="InputRequired"),
        row("stuck", Phase.WORKING, reason="Pending", message="0/3 nodes", started=None, minutes=2),
        row("fresh", Phase.WORKING, reason="Pending", started=None, minutes=0.5),
        row("again", Phase.WORKING, reason="Retrying"),
        row("mute", Phase.WORKING, tool="other", current=1.0, total=2.0, updated=NOW - timedelta(minutes=11)),
    )
    assert found == [
        "asks waits for an answer",
        "again is being tried again",
        "stuck has not started: 0/3 nodes",
        "slow runs 15 times as long as usual",
        "mute has reported nothing for 10 minutes",
    ]


def test_of_a_tasks_object_nothing_is_kept_that_callers_have_said() -> None:
    item = task_item("x", log={"text": "secret"}, result={"text": "secret"}, logTail="secret")
    item["spec"]["arguments"] = {"password": "secret"}
    item["status"]["inputRequests"] = [{"key": "k", "message": "secret"}]
    assert "secret" not in str(shown_part(item))
    assert row_of(shown_part(item)) == row_of(item)


@pytest.mark.parametrize(
    ("progress", "percent"),
    [
        ({}, None),
        ({"current": 3}, None),
        ({"current": 1, "total": 3}, 33),
        ({"current": 9, "total": 3}, 100),
        ({"current": -1, "total": 3}, 0),
        ({"current": 1, "total": 0}, None),
    ],
)
def test_progress_in_percent(progress: dict[str, float], percent: int | None) -> None:
    assert row_of(task_item("x", progress=progress)).percent == percent
