"""Who gets which task next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mcptasks.gateway.handout import WaitingLine, WaitingTask, WorkerState, is_used_up, next_order, obstacle
from mcptasks.gateway.pods import PodIdentity
from mcptasks.gateway.template_facts import WarmTemplate
from mcptasks.gateway.workers import WorkerPod
from tests.unit.gateway.builders import NOW

TEMPLATE = WarmTemplate("template-uid", "hash")


def waiting(name: str, caller: str = "ann", age: float = 0) -> WaitingTask:
    """A task; `age` in seconds."""
    return WaitingTask(NOW - timedelta(seconds=age), name, f"uid-{name}", caller)


def line_of(*tasks: WaitingTask) -> WaitingLine:
    line = WaitingLine()
    for task in tasks:
        line.add(task)
    return line


def worker(uid: str = "w1", *, pod: dict[str, Any] | None = None, **state: Any) -> WorkerState:
    facts: dict[str, Any] = {
        "identity": PodIdentity("ns", f"warm-w-{uid}", uid),
        "template": "warm",
        "template_uid": "template-uid",
        "template_hash": "hash",
        "created_at": NOW,
        "tasks": 0,
    }
    return WorkerState(WorkerPod(**facts | (pod or {})), "digest", **state)


def served(line: WaitingLine) -> list[str]:
    """The names of all that wait, in the order in which they get a worker."""
    names = []
    while (task := line.first()) is not None:
        line.serve(task.uid)
        names.append(task.name)
    return names


class TestTheLine:
    def test_the_oldest_is_first_whenever_it_came(self) -> None:
        assert served(line_of(waiting("b", age=1), waiting("a", age=5), waiting("c"))) == ["a", "b", "c"]

    def test_callers_take_turns_so_that_a_thousand_of_one_do_not_hold_up_one_of_another(self) -> None:
        many = [waiting(f"a{n}", "ann", age=100 - n) for n in range(4)]
        assert served(line_of(*many, waiting("b", "ben"), waiting("c", "cem", age=1))) == [
            "a0",
            "c",
            "b",
            "a1",
            "a2",
            "a3",
        ]

    def test_a_caller_without_a_name_is_one_caller(self) -> None:
        nobodys = [replace(waiting(f"n{n}", age=9 - n), caller=None) for n in range(2)]
        assert served(line_of(*nobodys, waiting("a"))) == ["n0", "a", "n1"]

    def test_what_was_added_twice_waits_once_and_what_is_removed_not_at_all(self) -> None:
        line = line_of(waiting("a"), waiting("a"), waiting("b"))
        assert len(line) == 2
        line.remove("uid-b")
        line.remove("uid-b")
        assert served(line) == ["a"]
        assert len(line) == 0

    def test_how_many_are_ahead_is_how_many_are_served_before(self) -> None:
        tasks = [
            *(waiting(f"a{n}", "ann", age=100 - n) for n in range(5)),
            *(waiting(f"b{n}", "ben", age=50 - n) for n in range(2)),
            waiting("c", "cem"),
        ]
        line = line_of(*tasks)
        first = line.first()
        assert first is not None
        line.serve(first.uid)
        ahead = {task.name: line.ahead_of(task.uid) for task in tasks if task is not first}
        assert ahead == {name: place for place, name in enumerate(served(line))}
        assert line.ahead_of(first.uid) is None


class TestTheWorker:
    @pytest.mark.parametrize(
        ("state", "why"),
        [
            (worker(pod={"template_hash": "old"}), "an earlier McpTaskTemplate"),
            (worker(pod={"template_uid": "another"}), "is gone"),
            (worker(pod={"template_uid": None}), "is gone"),
            (worker(pod={"draining": True}), "leaving"),
            (worker(pod={"deleting": True}), "leaving"),
            (worker(pod={"finished": True}), "leaving"),
            (worker(pod={"disruption": ("EvictionByEvictionAPI", "")}), "leaving"),
            (worker(pod={"tasks": 1}, taken=1), "has had its 1 tasks"),
            (worker(pod={"tasks": 3}, taken=3), "has had its 3 tasks"),
            (worker(held=1), "runs 1 tasks"),
            (worker(pod={"concurrency": 4}, held=4), "runs 4 tasks"),
            (replace(worker(), module="another"), "other code"),
        ],
    )
    def test_gets_nothing_that_it_must_not_have(self, state: WorkerState, why: str) -> None:
        assert why in (obstacle(state, TEMPLATE, "digest") or "")
        assert next_order(line_of(waiting("a")), [state], TEMPLATE, "digest") is None

    def test_gets_nothing_of_a_template_that_is_not_warm_any_more(self) -> None:
        assert next_order(line_of(waiting("a")), [worker()], None, "digest") is None

    @pytest.mark.parametrize(
        "state",
        [worker(), worker(taken=1000), worker(pod={"tasks": 2}, taken=1), worker(pod={"concurrency": 2}, held=1)],
    )
    def test_gets_a_task_while_it_may(self, state: WorkerState) -> None:
        found = next_order(line_of(waiting("a")), [state], TEMPLATE, "digest")
        assert found is not None
        assert found[1] is state

    def test_with_the_fewest_tasks_is_asked_first_and_then_the_one_that_was_free_last(self) -> None:
        pod = {"concurrency": 2}
        busy = worker("busy", pod=pod, held=1, free_since=9)
        early, late = worker("early", pod=pod, free_since=1), worker("late", pod=pod, free_since=5)
        found = next_order(line_of(waiting("a")), [busy, early, late], TEMPLATE, "digest")
        assert found is not None
        assert found[1] is late

    def test_without_a_limit_is_never_used_up(self) -> None:
        assert not is_used_up(worker(taken=10**6))


def test_nothing_is_handed_out_where_nothing_waits() -> None:
    assert next_order(WaitingLine(), [worker()], TEMPLATE, "digest") is None


def test_callers_have_as_many_turns_however_many_replicas_hand_out() -> None:
    """Each replica hands out what it sees waiting, and hears of the other's claims a moment later."""
    tasks = [waiting(f"{caller}-{number}", caller, 200 - number) for caller in "ab" for number in range(100)]
    lines = line_of(*tasks), line_of(*tasks)
    handed: dict[str, Any] = {}
    while len(handed) < 150:
        claimed: dict[str, Any] = {}
        # The first replica has three workers that are free at a time, the other one has one.
        for line, free in zip(lines, (3, 1), strict=True):
            for _ in range(free):
                task = line.first()
                assert task is not None
                line.serve(task.uid)
                claimed[task.uid] = task.caller
        for line in lines:
            for uid in claimed:
                line.serve(uid)
        handed |= claimed
        by_a = sum(caller == "a" for caller in handed.values())
        assert abs(by_a - (len(handed) - by_a)) <= 4


def test_callers_with_one_task_at_a_time_do_not_keep_one_with_many_from_its_turn() -> None:
    line = line_of(*(waiting(f"many-{number}", "ann", 200 - number) for number in range(20)))
    names = []
    for number in range(30):
        line.add(waiting(f"single-{number}", "ben" if number % 2 else "cem", 100 - number))
        task = line.first()
        assert task is not None
        line.serve(task.uid)
        names.append(task.name)
    assert sum(name.startswith("many") for name in names) == 10


def test_whoever_comes_back_when_all_who_wait_have_had_a_turn_since_is_first_again() -> None:
    line = line_of(waiting("a0", "ann", 9), waiting("a1", "ann", 8), waiting("a2", "ann", 7), waiting("b0", "ben", 6))
    for _ in range(3):
        first = line.first()
        assert first is not None
        line.serve(first.uid)
    line.add(waiting("b1", "ben"))
    assert served(line) == ["b1", "a2"]
