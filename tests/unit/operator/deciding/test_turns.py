"""Whose turn it is where limits say how many tasks may run at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from mcptasks_operator.deciding.turns import LimitedTask, TaskLimit, turns
from tests.unit.operator.builders import at

TWO = TaskLimit("tool", 2, "tool search runs at most {most} at a time")


def task(number: int, caller: str = "a", *limits: TaskLimit, holds: bool = False) -> LimitedTask:
    return LimitedTask(f"t{number}", f"t{number}", at(number), caller, limits or (TWO,), holds)


def starting(*tasks: LimitedTask, last_start: dict[tuple[Hashable, Hashable], datetime] | None = None) -> list[str]:
    return [uid for uid, turn in turns(tasks, last_start or {}).items() if turn.may_start]


def test_as_many_start_as_the_limit_leaves_places() -> None:
    assert starting(task(1), task(2), task(3)) == ["t1", "t2"]
    assert starting(task(1, holds=True), task(2), task(3)) == ["t2"]
    assert starting(task(1, holds=True), task(2, holds=True), task(3)) == []


def test_what_waits_knows_how_many_are_before_it_and_why() -> None:
    found = turns([task(1, holds=True), task(2, holds=True), task(3), task(4)], {})
    assert (found["t3"].ahead, found["t4"].ahead) == (0, 1)
    assert found["t4"].limit == "tool search runs at most 2 at a time"


def test_a_thousand_of_one_caller_do_not_come_before_one_of_another() -> None:
    crowd = [task(number, "many", holds=number < 3) for number in range(1, 1000)]
    found = turns([*crowd, task(1000, "one")], {})
    assert found["t1000"].ahead == 0


def test_callers_with_as_many_tasks_take_turns() -> None:
    running = [task(0, "c", holds=True)]
    both = [task(1, "a"), task(2, "a"), task(3, "b"), task(4, "b")]
    assert starting(*running, *both) == ["t1"]
    assert starting(*running, *both, last_start={("tool", "a"): at(0)}) == ["t3"]


def test_a_task_that_another_limit_holds_back_holds_nobody_back() -> None:
    of_one = TaskLimit("caller a", 1, "one caller's tasks run at most {most} at a time")
    other = TaskLimit("caller b", 1, of_one.says)
    busy = task(0, "a", of_one, holds=True)
    found = turns([busy, task(1, "a", TWO, of_one), task(2, "b", TWO, other)], {})
    assert (found["t1"].may_start, found["t2"].may_start) == (False, True)
    assert found["t1"].limit == "one caller's tasks run at most 1 at a time"


def test_the_newest_tasks_limit_holds_for_all() -> None:
    assert starting(task(1), task(2), task(3, "a", replace(TWO, most=1))) == ["t1"]
    assert starting(task(1), task(2), task(3, "a", replace(TWO, most=3))) == ["t1", "t2", "t3"]


calls = st.lists(st.tuples(st.sampled_from("aaab"), st.integers(1, 9)), max_size=40)


@settings(max_examples=50, deadline=None)
@given(calls, st.integers(1, 4), st.integers(1, 3))
def test_never_more_run_than_the_limits_say_and_all_have_their_turn(
    wanted: list[tuple[str, int]], most: int, each: int
) -> None:
    tool = TaskLimit("tool", most, "")
    waiting = [
        task(number, caller, tool, TaskLimit(f"caller {caller}", each, "")) for number, (caller, _) in enumerate(wanted)
    ]
    left = {f"t{number}": seconds for number, (_, seconds) in enumerate(wanted)}
    known, done, last = {one.uid: one for one in waiting}, 0, dict[tuple[Hashable, Hashable], datetime]()
    for second in range(1 + 9 * len(wanted)):
        for uid in starting(*known.values(), last_start=last):
            known[uid] = replace(known[uid], holds=True)
            last["tool", known[uid].caller] = at(second)
        running = [one for one in known.values() if one.holds]
        assert len(running) <= most
        assert all(count <= each for count in Counter(one.caller for one in running).values())
        assert not known or running, "a place that is free is taken"
        for one in running:
            left[one.uid] -= 1
            if not left[one.uid]:
                del known[one.uid]
                done += 1
    assert done == len(wanted)
