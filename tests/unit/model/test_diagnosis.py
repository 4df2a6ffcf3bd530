"""Messages that people and models read."""

from __future__ import annotations

import pytest

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.task import Reason

CAUSE = Diagnosis(Reason.EXIT_CODE, "it broke", "Mend it")


def test_a_message_has_cause_hint_and_log() -> None:
    assert CAUSE.message(["one", "two"]) == "it broke. Mend it\nLast log lines:\none\ntwo"


@pytest.mark.parametrize("log", [None, (), ("", "  ")])
def test_an_empty_log_is_not_announced(log: tuple[str, ...] | None) -> None:
    assert CAUSE.message(log) == "it broke. Mend it"


def test_a_long_log_is_cut_at_its_beginning_and_keeps_its_end() -> None:
    text = CAUSE.message([f"{number:04} {'x' * 990}" for number in range(20)])
    assert len(text) < 8_200
    assert text.endswith("x")
    assert "0019 " in text
    assert "0001 " not in text


def test_a_line_that_is_cut_keeps_its_end() -> None:
    text = CAUSE.message(["0% " + "#" * 5000 + " FATAL: no database"])
    assert text.endswith("# FATAL: no database")
    assert "0% #" in text
    assert "characters left out]" in text


def test_an_endless_line_and_an_endless_cause_are_cut() -> None:
    text = Diagnosis(Reason.EXIT_CODE, "c" * 100_000).message(["x" * 100_000, "the end"])
    assert len(text) < 5_000
    assert text.endswith("the end")
