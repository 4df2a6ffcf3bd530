"""Text that is cut keeps its end, and says that it was cut."""

from __future__ import annotations

import pytest

from mcptasks.model.excerpts import lines_of, without_middle, without_start

BAR = "".join(f"\r{n / 30:3.0f}%|{'#' * (n // 100):30}|" for n in range(3001))


@pytest.mark.parametrize("limit", [1, 10, 60, 200, 201, 1000])
@pytest.mark.parametrize("cut", [without_middle, without_start])
def test_the_end_stays_and_the_limit_holds(cut, limit: int) -> None:  # type: ignore[no-untyped-def]
    text = "begin " + "x" * 5000 + " end"
    got = cut(text, limit)
    assert len(got) <= limit
    assert text.endswith(got[-min(limit, 4) :])
    if limit >= 60:
        assert "..." in got
    assert cut("short", 1000) == "short"


def test_what_is_cut_in_the_middle_keeps_its_start_too() -> None:
    got = without_middle("begin " + "x" * 5000 + " end", 1000)
    assert got.startswith("begin ")
    assert "[4006" in got or "[40" in got


def test_what_is_cut_at_the_start_begins_with_the_mark() -> None:
    assert without_start("x" * 5000, 1000).startswith("... [4000 characters left out] ... x")


def test_a_carriage_return_ends_a_line() -> None:
    assert lines_of("a\r\nb\rc\n\nd") == ["a", "b", "c", "d"]
    last = lines_of(BAR + "\nFATAL: no database\n")[-2:]
    assert last == [f"100%|{'#' * 30}|", "FATAL: no database"]
