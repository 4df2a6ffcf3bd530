"""Progress as people read it. Whoever shows progress shows it with these, so that all places round alike.

number_text      a number, in full where people would write it in full
progress_text    how far something is, for example `45% (9/20)`
"""

from __future__ import annotations

import math

EXACT_INTEGERS = 1e15
"""From here on numbers are written with an exponent."""


def number_text(value: float) -> str:
    """A number with two decimals at most; very large and very small ones with an exponent."""
    if abs(value) >= EXACT_INTEGERS or 0 < abs(value) < 0.01:
        return f"{value:.3g}"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def progress_text(current: float, total: float | None) -> str:
    """Progress for people: `45% (9/20)`, or `9` where the total is unknown, as one of nothing is.

    The share is rounded down: 100 % is shown when everything is done, not before.
    """
    if total is None or total <= 0:
        return number_text(current)
    shown, whole = number_text(current), number_text(total)
    if shown == whole and current < total:
        # Not `99% (20/20)`.
        shown = f"{current:.15g}"
    of_total = f"{shown}/{whole}"
    percent = percentage(current, total)
    return of_total if percent is None else f"{percent}% ({of_total})"


def percentage(current: float, total: float) -> int | None:
    """The share in whole percent, rounded down; None where there is none that anyone could read."""
    if total <= 0:
        return None
    # 0.29 is a little less than 29/100 in binary, and still 29 %: decimals that only come from that are dropped.
    percent = current / total * 100
    return math.floor(round(percent, 9)) if abs(percent) < EXACT_INTEGERS else None
