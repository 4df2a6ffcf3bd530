"""Messages that people and models read."""

from __future__ import annotations

import pytest

from mcptasks.model.diagnosis import Diagnosis, log_tail
from mcptasks.model.task import MAX_LOG_TAIL, Reason

CAUSE = Diagnosis(Reason.EXIT_CODE, "it broke", "Mend it")


def test_a_message_has_cause_and_hint() -> None:
    assert CAUSE.message == "it broke. Mend it"


def test_the_end_of_a_log_is_as_the_process_wrote_it() -> None:
    assert log_tail(["one", "two"]) == "one\ntwo"


@pytest.mark.parametrize("log", [None, (), ("", "  ")])
def test_an_empty_log_has_no_end(log: tuple[str, ...] | None) -> None:
    assert log_tail(log) is None


def test_a_long_log_is_cut_at_its_beginning_and_keeps_its_end() -> None:
    text = log_tail([f"{number:04} {'x' * 990}" for number in range(20)]) or ""
    assert len(text) <= MAX_LOG_TAIL
    assert text.endswith("x")
    assert "0019 " in text
    assert "0001 " not in text


def test_a_line_that_is_cut_keeps_its_end() -> None:
    text = log_tail(["0% " + "#" * 5000 + " FATAL: no database"]) or ""
    assert text.endswith("# FATAL: no database")
    assert "0% #" in text
    assert "characters left out]" in text


def test_an_endless_line_and_an_endless_cause_are_cut() -> None:
    assert len(Diagnosis(Reason.EXIT_CODE, "c" * 100_000).message) < 2_100
    text = log_tail(["x" * 100_000, "the end"]) or ""
    assert len(text) < 2_000
    assert text.endswith("the end")
