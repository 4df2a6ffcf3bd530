"""Plots as values that a template writes as SVG: coordinates, ticks, and words for those who do not see them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from mcptasks.dashboard.task_index import ProgressPoint


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, from 0 at its beginning to 1 at its end."""

    at: float
    label: str


@dataclass(frozen=True)
class LinePlot:
    """A line in a box of 600 by 120."""

    points: str
    area: str
    summary: str
    x_ticks: Sequence[Tick]


WIDTH, HEIGHT = 600.0, 120.0


def progress_plot(points: Sequence[ProgressPoint]) -> LinePlot | None:
    """Progress over time, in percent of the total or of the largest value; None for fewer than two points."""
    if len(points) < 2:
        return None
    begin, end = points[0].at, points[-1].at
    seconds = max(0.001, (end - begin).total_seconds())
    top = max([point.total or 0 for point in points] + [point.current for point in points]) or 1.0
    places = [
        (WIDTH * (point.at - begin).total_seconds() / seconds, HEIGHT - HEIGHT * max(0.0, point.current) / top)
        for point in points
        if math.isfinite(point.current)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    last = points[-1]
    of = f" of {number(last.total)}" if last.total else ""
    return LinePlot(
        points=line,
        area=f"{places[0][0]:.1f},{HEIGHT} {line} {places[-1][0]:.1f},{HEIGHT}" if places else "",
        summary=f"Progress from {number(points[0].current)} to {number(last.current)}{of} in {duration(end - begin)}",
        x_ticks=time_ticks(timedelta(seconds=seconds)),
    )


def time_ticks(whole: timedelta, most: int = 5) -> list[Tick]:
    """Round times along an axis of that length."""
    seconds = whole.total_seconds()
    step = next(
        (step for step in _STEPS if seconds / step <= most), _STEPS[-1] * math.ceil(seconds / _STEPS[-1] / most)
    )
    count = int(seconds / step)
    return [
        Tick(number * step / seconds, f"+{duration(timedelta(seconds=number * step))}") for number in range(count + 1)
    ]


_STEPS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)


def number(value: float | None) -> str:
    """A number without needless digits."""
    if value is None:
        return ""
    return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}"


def duration(length: timedelta) -> str:
    """A length of time in at most two units: `0.42 s`, `12 s`, `3 m 5 s`, `2 h 10 m`, `3 d 4 h`."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 1:
        return f"{seconds:.2f} s" if seconds else "0 s"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s" if rest else f"{minutes} m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} m" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
