"""What `mcptasks top` makes of tasks and templates: states, words, order, counts."""

from __future__ import annotations

import pytest

from mcptasks.cli.top_rows import SortKey, TopState, TopView, counts_of, kept_part, pool_rows, top_row
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from tests.unit.cli.top_objects import NOW, asking, ended, facts, running, task, template, waiting


@pytest.mark.parametrize(
    ("item", "state", "says"),
    [
        (task("new"), TopState.WAITING, ""),
        (waiting("a"), TopState.WAITING, "has no place yet"),
        (waiting("a", ahead=1200), TopState.WAITING, "1,200 ahead"),
        (running("a", current=1, total=2), TopState.RUNNING, "step"),
        (task("a", phase="working", reason="Retrying", message="exit code 3"), TopState.RETRYING, "exit code 3"),
        (asking("a", "Delete it?"), TopState.ASKING, "Delete it?"),
        (ended("a"), TopState.COMPLETED, ""),
        (ended("a", "failed", "OOMKilled"), TopState.FAILED, "OOMKilled: it is full"),
        (
            task("a", phase="failed", reason="ToolError", message="Error executing tool report: no"),
            TopState.FAILED,
            "ToolError: no",
        ),
        (ended("a", "cancelled", "CancelledByCaller"), TopState.CANCELLED, ""),
    ],
)
def test_a_task_has_a_state_and_the_words_that_matter_in_it(item: JsonObject, state: TopState, says: str) -> None:
    row = top_row(kept_part(item))
    assert (row.state, row.says) == (state, says)


def test_a_question_that_is_answered_is_not_shown() -> None:
    item = asking("a", "first?", "second?")
    item["status"]["inputRequests"][0]["responseText"] = "{}"
    assert top_row(kept_part(item)).says == top_row(item).says == "second?"


def test_what_stays_in_memory_has_no_arguments_results_or_answers() -> None:
    item = asking("a", "x" * 10_000)
    item["spec"]["arguments"] = {"secret": 1}
    item["status"] |= {"result": {"text": "{}"}, "log": {"text": "line"}}
    item["status"]["inputRequests"][0]["responseText"] = '{"secret": 2}'
    kept = kept_part(item)
    assert "secret" not in str(kept)
    assert len(str(kept)) < 2000
    assert "log" not in kept["status"]


def names(view: TopView, *tasks: JsonObject) -> list[str]:
    return [row.task.name for row in view.shown(facts(*tasks).rows, NOW)]


def test_what_needs_somebody_stands_on_top_then_what_runs_longest_and_at_the_end_what_has_ended() -> None:
    tasks = [
        ended("old", finished=20),
        ended("latest", finished=1),
        waiting("behind", ahead=2),
        waiting("next", ahead=1),
        running("young", started=5),
        running("long", started=50),
        asking("asks", "?"),
    ]
    assert names(TopView(), *tasks) == ["asks", "long", "young", "next", "behind", "latest", "old"]
    assert names(TopView(reverse=True), *tasks) == ["old", "latest", "behind", "next", "young", "long", "asks"]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (SortKey.AGE, ["b", "a", "c"]),
        (SortKey.RUNTIME, ["b", "c", "a"]),
        (SortKey.PROGRESS, ["b", "c", "a"]),
        (SortKey.NAME, ["a", "b", "c"]),
        (SortKey.TOOL, ["b", "c", "a"]),
    ],
)
def test_tasks_are_sorted_by_what_is_asked_for_and_those_without_it_come_last(sort: SortKey, order: list[str]) -> None:
    tasks = [
        waiting("a", created=50),
        {**running("b", started=40, current=3, total=4)},
        {**running("c", started=30, current=1, total=4)},
    ]
    tasks[2]["metadata"]["creationTimestamp"] = "2026-05-01T11:59:30Z"
    assert names(TopView(sort), *tasks) == order


def test_usage_sorts_by_the_most_and_callers_by_their_names() -> None:
    small, large, unknown = ended("small"), ended("large"), running("unknown")
    large["status"]["usage"] |= {"cpuSeconds": 9.0, "peakMemoryBytes": 2**30}
    for sort in (SortKey.CPU, SortKey.MEMORY):
        assert names(TopView(sort), small, large, unknown) == ["large", "small", "unknown"]
        assert names(TopView(sort, reverse=True), small, large, unknown) == ["small", "large", "unknown"]
    tasks = [task("a", caller="lin"), task("b", caller="ada"), task("c")]
    assert names(TopView(SortKey.CALLER), *tasks) == ["b", "a", "c"]


def test_sorting_goes_round_all_keys() -> None:
    key, seen = SortKey.STATE, []
    for _ in SortKey:
        seen.append(key)
        key = key.next
    assert key is SortKey.STATE
    assert seen == list(SortKey)


def test_phases_and_what_has_ended_can_be_left_out() -> None:
    tasks = [running("runs"), asking("asks", "?"), ended("done"), ended("broken", "failed", "ToolError")]
    assert names(TopView(ended=False), *tasks) == ["asks", "runs"]
    phases = frozenset({Phase.FAILED, Phase.INPUT_REQUIRED})
    assert names(TopView(phases=phases), *tasks) == ["asks", "broken"]


def test_states_are_counted_in_their_order() -> None:
    counts = counts_of(facts(running("a"), running("b"), waiting("c")).rows)
    assert list(counts) == list(TopState)
    assert {state: count for state, count in counts.items() if count} == {TopState.RUNNING: 2, TopState.WAITING: 1}


def test_pools_are_those_of_warm_templates_and_say_why_workers_are_missing() -> None:
    rows = pool_rows(
        [
            template("cold", executor="Job"),
            template("fine", readyWorkers=2, busyWorkers=1, wantedWorkers=2, message="all are ready"),
            template("short", readyWorkers=1, startingWorkers=1, wantedWorkers=4, waitingTasks=7, message="no room"),
            {"metadata": {"name": "new", "namespace": "team"}, "spec": {"executor": "Warm"}},
        ]
    )
    assert [(row.name, row.shortage) for row in rows] == [("short", "no room"), ("fine", ""), ("new", "")]
    assert [(row.idle, row.missing) for row in rows] == [(1, 2), (1, 0), (0, 0)]


def test_programs_get_counts_pools_and_tasks_without_what_is_not_known() -> None:
    found = facts(running("a", current=1, total=4), ended("b"), templates=[template("warm", readyWorkers=1)])
    dumped = found.dump(TopView(), 1)
    assert dumped["at"] == "2026-05-01T12:00:00.000Z"
    assert (dumped["states"]["running"], dumped["states"]["completed"], dumped["states"]["failed"]) == (1, 1, 0)
    assert [pool["template"] for pool in dumped["pools"]] == ["warm"]
    (shown,) = dumped["tasks"]
    assert (shown["name"], shown["state"], shown["percent"], shown["ranSeconds"]) == ("a", "running", 25, 30.0)
    assert "peakMemoryBytes" not in shown
    assert facts().dump(TopView())["pools"] is None
