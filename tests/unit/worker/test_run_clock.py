"""An attempt's time: it stands still while a question is open."""

from __future__ import annotations

from mcptasks.worker.run_clock import RunClock


def test_time_passes_while_it_runs() -> None:
    assert RunClock(60, since=100).left(now=130) == 30


def test_time_stands_still_while_it_waits() -> None:
    waiting = RunClock(60, since=100).waiting(now=110)
    assert waiting.left(now=5000) == 50
    assert waiting.running(now=5000).left(now=5010) == 40


def test_a_second_question_and_a_second_answer_change_nothing() -> None:
    waiting = RunClock(60, since=100).waiting(now=110)
    assert waiting.waiting(now=200) == waiting
    running = waiting.running(now=300)
    assert running.running(now=310) == running
