"""Whose turn it is where a limit says how many tasks may run at a time. Pure.

First comes the task whose caller has the fewest before it: those that run, and its own that wait longer. Among equals
it is the turn of the caller who was let start longest ago, and then the oldest task's. So a caller's thousand are never
before another one's first. A task that one limit holds back does not hold back those behind it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class TaskLimit:
    """At most so many tasks of a group run at a time. `says` is whose limit it is, in words."""

    group: Hashable
    most: int
    says: str


@dataclass(frozen=True, slots=True)
class LimitedTask:
    """A task that has limits: it holds one of the places of each, or waits for them."""

    uid: str
    name: str
    created_at: datetime
    caller: Hashable
    limits: tuple[TaskLimit, ...]
    holds: bool = False

    @property
    def line(self) -> Hashable:
        """Those of a line take turns."""
        return self.limits[0].group


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether a task that waits may start now; if not, which limit keeps it and how many are before it."""

    may_start: bool
    ahead: int = 0
    limit: str = ""


def turns(tasks: Iterable[LimitedTask], last_start: Mapping[tuple[Hashable, Hashable], datetime]) -> dict[str, Turn]:
    """The turn of each task that waits, by its uid. `last_start`: when a caller of a line was last let start."""
    tasks = sorted(tasks, key=lambda task: (task.created_at, task.name))
    most = {limit.group: limit.most for task in tasks for limit in task.limits}
    held = Counter(limit.group for task in tasks if task.holds for limit in task.limits)
    found: dict[str, Turn] = {}
    behind: Counter[Hashable] = Counter()
    for task in _in_order(tasks, last_start):
        full = next((limit for limit in task.limits if held[limit.group] >= most[limit.group]), None)
        if full is None:
            found[task.uid] = Turn(may_start=True)
            held.update(limit.group for limit in task.limits)
            continue
        found[task.uid] = Turn(False, behind[full.group], full.says.replace("{most}", str(most[full.group])))
        behind.update(limit.group for limit in task.limits)
    return found


def _in_order(tasks: list[LimitedTask], last_start: Mapping[tuple[Hashable, Hashable], datetime]) -> list[LimitedTask]:
    before: defaultdict[tuple[Hashable, Hashable], int] = defaultdict(int)
    for task in tasks:
        before[task.line, task.caller] += task.holds
    placed: list[tuple[int, datetime, datetime, str, LimitedTask]] = []
    for task in tasks:
        if not task.holds:
            turn = task.line, task.caller
            placed.append((before[turn], last_start.get(turn, LONG_AGO), task.created_at, task.uid, task))
            before[turn] += 1
    return [place[-1] for place in sorted(placed, key=lambda place: place[:-1])]
