"""Frames of `mcptasks top`: what they show, and that they fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcptasks.cli.top_frame import FrameSize, TopFrame
from mcptasks.cli.top_rows import TopFacts, TopView
from mcptasks.cli.top_table import Glyphs
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from tests.unit.cli.top_objects import asking, ended, facts, running, task, template, waiting


def drawn(found: TopFacts, width: int = 120, height: int | None = None, view: TopView | None = None) -> list[str]:
    """The lines of a frame, all of which fit."""
    frame = TopFrame(FrameSize(width, height), Glyphs(), live=height is not None)
    lines = frame.lines(found, view or TopView())
    assert all(line.cell_len <= width for line in lines)
    assert height is None or len(lines) == height
    return [line.plain.rstrip() for line in lines]


def line_of(lines: list[str], word: str) -> str:
    return next(line for line in lines if word in line)


def header(lines: list[str]) -> list[str]:
    return line_of(lines, "TASK").split()


def everything() -> TopFacts:
    """A task in each state, and pools."""
    name = "report-abcdefghijklmnopqrstuvwxyz"
    return facts(
        asking("delete-files-22222222222222", "Delete 3 files?"),
        running(name, current=9, total=20),
        {**task("train", tool="train_model", caller="ada@example.org", phase="working", reason="Running")},
        waiting("report-bcdefghijklmnopqrstuvwxyza", ahead=3),
        ended("report-cdefghijklmnopqrstuvwxyzab"),
        ended("fail-abcdefghijklmnopqrstuvwxyz", "failed", "ToolError"),
        templates=[template("warm", readyWorkers=3, busyWorkers=1, startingWorkers=1, wantedWorkers=6, waitingTasks=1)],
    )


def test_a_frame_says_what_it_shows_and_counts_all_tasks() -> None:
    lines = drawn(everything())
    assert lines[0].startswith("mcptasks top  namespace team ")
    assert lines[1] == "1 asking  2 running  1 waiting  1 completed  1 failed"


def test_a_running_task_has_a_bar_its_share_and_its_words() -> None:
    line = line_of(drawn(everything()), "report-abc")
    assert line.endswith("━━━━━───────  45% step")
    assert " 30s  60s " in line
    assert " warm-1 " in line


def test_progress_without_a_total_is_a_number() -> None:
    assert drawn(facts(running("a", current=12040)))[-1].endswith("12,040 step")


@pytest.mark.parametrize(("current", "total"), [(1e307, 1.0), (1.0, 5e-324), (1e308, 1e308)])
def test_absurd_progress_ends_nothing(current: float, total: float) -> None:
    assert line_of(drawn(facts(running("report-1", current=current, total=total))), "report-1")


def test_an_ended_task_shows_what_it_has_used() -> None:
    line = line_of(drawn(everything()), "report-cde")
    assert " 10s  50s  1.2s    64Mi" in line
    assert line_of(drawn(everything()), "fail-abc").endswith("ToolError: it is full")


def test_a_pool_has_a_mark_for_each_worker() -> None:
    lines = drawn(everything())
    assert line_of(lines, "warm ") == "warm  ●○○◌··       3     1       6        1"


def test_a_large_pool_has_marks_for_several_and_none_is_lost() -> None:
    pool = template("warm", readyWorkers=400, busyWorkers=399, wantedWorkers=401)
    marks = drawn(facts(templates=[pool]))[4].split()[1]
    assert len(marks) < 25
    assert {"●", "○", "·"} == set(marks)


def test_a_shortage_says_why() -> None:
    pool = template("warm", readyWorkers=0, wantedWorkers=1, message="no room\x1b[2J")
    assert drawn(facts(templates=[pool]))[4].endswith("no room^[[2J")


def test_only_the_pools_with_the_most_work_are_shown() -> None:
    pools = [template(f"pool-{at}", waitingTasks=at) for at in range(9)]
    lines = drawn(facts(templates=pools))
    assert [line.split()[0] for line in lines[4:8]] == ["pool-8", "pool-7", "pool-6", "pool-5"]
    assert lines[8] == "… 5 more"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("height", [12, 24, 50, None])
def test_frames_fit_terminals(width: int, height: int | None) -> None:
    drawn(everything(), width, height)
    drawn(replace(everything(), with_namespace=True, unreachable=7.0), width, height)


def test_narrow_terminals_lose_what_matters_least() -> None:
    all_columns = ["TASK", "TOOL", "CALLER", "STATE", "RAN", "AGE", "CPU", "MEMORY", "POD", "PROGRESS"]
    assert header(drawn(everything(), 160)) == all_columns
    assert header(drawn(everything(), 80)) == ["TASK", "TOOL", "STATE", "RAN", "AGE", "MEMORY", "PROGRESS"]
    assert header(drawn(everything(), 40)) == ["TASK", "STATE", "PROGRESS"]


def test_where_a_bar_has_no_room_the_share_is_there() -> None:
    assert line_of(drawn(everything(), 40), "report-abc").endswith(" 45% step")


def test_pods_are_told_apart_by_their_ends() -> None:
    item = running("report-2")
    item["status"]["podName"] = "a-pool-with-a-long-name-7x2kq"
    item["status"]["progress"] = {"current": 1, "total": 2, "message": "x" * 60}
    assert " …h-a-long-name-7x2kq " in drawn(facts(item), 90)[-1]


def test_columns_without_content_are_left_out() -> None:
    assert header(drawn(facts(waiting("report-2")))) == ["TASK", "TOOL", "STATE", "AGE", "PROGRESS"]


def test_the_tool_goes_first_where_names_of_tasks_tell_it() -> None:
    found = facts(running("report-22"), ended("report-33"))
    assert header(drawn(found, 60))[:2] == ["TASK", "STATE"]


def test_names_are_as_long_as_it_takes_to_tell_them_from_all_others() -> None:
    hidden = [waiting("report-aaaaaaaab" + "x" * 20), waiting("report-zzzz" + "y" * 20)]
    found = facts(running("report-aaaaaaaaa" + "x" * 20), *hidden)
    view = TopView(phases=frozenset({Phase.WORKING}))
    frame = TopFrame(FrameSize(80, None, rows=1), Glyphs())
    (line,) = [line.plain for line in frame.lines(found, view) if line.plain.startswith("report-")]
    assert line.split()[0] == "report-aaaaaaaaa"


def test_what_does_not_fit_is_counted() -> None:
    found = facts(*(running(f"run-{at}") for at in range(5)), *(waiting(f"wait-{at}") for at in range(9_995)))
    lines = drawn(found, 80, 14)
    assert lines[-2] == "… 9,992 more: 9,992 waiting"
    scrolled = drawn(found, 80, 14, TopView(first=9_990))
    assert scrolled[-2] == "… 9,990 above; 2 more: 2 waiting"
    at_the_end = drawn(found, 80, 14, TopView(first=100_000))
    assert at_the_end[-2] == "… 9,992 above"


def test_a_page_is_what_a_frame_has_room_for() -> None:
    found = facts(*(waiting(f"wait-{at}") for at in range(100)))
    frame = TopFrame(FrameSize(80, 14), Glyphs(), live=True)
    shown = [line.plain for line in frame.lines(found, TopView()) if line.plain.startswith("wait-")]
    assert frame.page(found) == len(shown) == 8


def test_rows_limit_what_is_shown() -> None:
    frame = TopFrame(FrameSize(80, None, rows=2), Glyphs())
    lines = [line.plain for line in frame.lines(everything(), TopView())]
    assert lines[-1] == "… 4 more: 1 running, 1 waiting, 1 completed, 1 failed"


def test_words_of_others_are_shown_and_not_obeyed() -> None:
    evil = "\x1b[2J\x1b]0;title\x07\rnew\nline\u202e"
    items: list[JsonObject] = [
        task("a", tool=evil, caller=evil, phase="working", reason="Running", progress={"message": evil, "current": 1}),
        asking("b", evil),
        ended("c", "failed", evil),
    ]
    lines = drawn(facts(*items), 200)
    text = "".join(lines)
    assert not {"\x1b", "\x07", "\r", "\n", "\u202e"} & set(text)
    assert "^[[2J^[]0;title" in text


def test_wide_characters_take_two_cells() -> None:
    lines = drawn(
        facts(task("a", phase="working", reason="Running", progress={"current": 1, "message": "報" * 90})), 60
    )
    assert lines[-1].endswith("…")


def test_a_cluster_that_does_not_answer_is_named() -> None:
    assert drawn(facts(running("a"), unreachable=75))[0].endswith("reconnecting, as of 75s ago")


def test_an_empty_namespace_says_so_only_once_everything_is_read() -> None:
    assert drawn(facts())[-1] == "No tasks."
    assert drawn(replace(facts(), complete=False))[0].endswith("reading the tasks")
    assert drawn(facts(ended("a")), view=TopView(ended=False))[-1] == "None of the tasks is to be shown."


def test_the_last_line_says_what_can_be_pressed() -> None:
    assert drawn(facts(), 80, 24)[-1] == "q quit  s sort: state  r reverse  e hide ended  arrows scroll"
    assert (
        "sort: state, reversed  r reverse  e show ended"
        in drawn(facts(), 80, 24, TopView(reverse=True, ended=False))[-1]
    )


@pytest.mark.parametrize(
    ("encoding", "bar"), [("utf-8", "━━━━━───────"), ("ascii", "#####-------"), ("none", "#####-")]
)
def test_terminals_without_the_characters_get_others(encoding: str, bar: str) -> None:
    frame = TopFrame(FrameSize(120), Glyphs.of(encoding))
    text = "\n".join(line.plain for line in frame.lines(everything(), TopView()))
    assert bar in text
    assert encoding == "utf-8" or text.isascii()
