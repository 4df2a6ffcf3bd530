"""Progress as people read it, wherever it is shown."""

from __future__ import annotations

import pytest

from mcptasks.model.progress_text import progress_text


@pytest.mark.parametrize(
    ("current", "total", "text"),
    [
        (9, None, "9"),
        (0, None, "0"),
        (0.5, None, "0.5"),
        (0.001, None, "0.001"),
        (1234567, None, "1234567"),
        (1e20, None, "1e+20"),
        (9, 20, "45% (9/20)"),
        (0.45, 1, "45% (0.45/1)"),
        (199, 200, "99% (199/200)"),
        (29, 100, "29% (29/100)"),
        (57, 100, "57% (57/100)"),
        (0.29, 1, "29% (0.29/1)"),
        (11, 12, "91% (11/12)"),
        (19.999, 20, "99% (19.999/20)"),
        (1999999, 2000000, "99% (1999999/2000000)"),
        (441000, 2000000, "22% (441000/2000000)"),
        (20, 20, "100% (20/20)"),
        (30, 20, "150% (30/20)"),
        (-1, 20, "-5% (-1/20)"),
        (3, 0, "3"),
        (0, 0, "0"),
        (3, -1, "3"),
        (1e300, 1e-300, "1e+300/1e-300"),
    ],
)
def test_progress_reads_like_this(current: float, total: float | None, text: str) -> None:
    assert progress_text(current, total) == text
    assert len(text) <= 128
