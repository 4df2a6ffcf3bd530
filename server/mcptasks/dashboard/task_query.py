"""Which tasks a list shows, in which order: read from the address and written to it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from mcptasks.dashboard.task_rows import Concern, TaskRow, concern_of, usual_run_times
from mcptasks.model.task import Phase

PAGE_SIZE = 50
SHOWN_CONCERNS = 5
MAX_TEXT = 200
MAX_PAGE = 100_000

AGES: Mapping[str, timedelta] = {
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
DURATIONS: Mapping[str, timedelta] = {
    "10s": timedelta(seconds=10),
    "1m": timedelta(minutes=1),
    "10m": timedelta(minutes=10),
    "1h": timedelta(hours=1),
}

_NEVER = timedelta(0)
SORTS: Mapping[str, Callable[[TaskRow, datetime], Any]] = {
    "created": lambda row, _now: row.created,
    "name": lambda row, _now: row.name,
    "tool": lambda row, _now: row.tool,
    "phase": lambda row, _now: (row.phase.value, row.reason),
    "caller": lambda row, _now: row.caller,
    "progress": lambda row, _now: -1 if row.percent is None else row.percent,
    "duration": lambda row, now: row.ran(now) or _NEVER,
}
LARGEST_FIRST = frozenset({"created", "duration", "progress"})


@dataclass(frozen=True)
class ListQuery:
    """What the address says; what it says wrongly counts as not said."""

    phase: str = ""
    namespace: str = ""
    tool: str = ""
    caller: str = ""
    age: str = ""
    duration: str = ""
    q: str = ""
    sort: str = "created"
    order: str = ""
    page: int = 1

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Self:
        """The query of an address."""
        texts = {name: given.get(name, "").strip()[:MAX_TEXT] for name in cls._names() if name != "page"}
        number = given.get("page", "")
        return cls(
            **{
                **texts,
                "phase": texts["phase"] if texts["phase"] in set(Phase) else "",
                "age": texts["age"] if texts["age"] in AGES else "",
                "duration": texts["duration"] if texts["duration"] in DURATIONS else "",
                "sort": texts["sort"] if texts["sort"] in SORTS else "created",
                "order": texts["order"] if texts["order"] in ("asc", "desc") else "",
            },
            page=min(int(number), MAX_PAGE) if number.isascii() and number.isdigit() and len(number) < 7 else 1,
        )

    @classmethod
    def _names(cls) -> list[str]:
        return [known.name for known in fields(cls)]

    @property
    def descending(self) -> bool:
        return (self.order or ("desc" if self.sort in LARGEST_FIRST else "asc")) == "desc"

    @property
    def is_filtered(self) -> bool:
        return any((self.phase, self.namespace, self.tool, self.caller, self.age, self.duration, self.q))

    def query_string(self, **changes: object) -> str:
        """The query with changes, as it stands in an address, without what is as usual."""
        changed = replace(self, **({"page": 1} | changes))  # type: ignore[arg-type]
        usual = type(self)()
        said = {name: getattr(changed, name) for name in self._names()}
        return urlencode({name: value for name, value in said.items() if value != getattr(usual, name)})

    def address(self, **changes: object) -> str:
        """The address of the list with changes; the first page, unless they say which."""
        said = self.query_string(**changes)
        return f"/tasks?{said}" if said else "/tasks"

    def sorted_by(self, sort: str) -> str:
        """The address of the list in that order, or the other way round where it has it already."""
        if sort != self.sort:
            return self.address(sort=sort, order="")
        return self.address(order="asc" if self.descending else "desc")

    def matches(self, row: TaskRow, now: datetime) -> bool:
        """Whether the list shows the task, as far as its phase is not concerned."""
        if (self.namespace and row.namespace != self.namespace) or (self.tool and row.tool != self.tool):
            return False
        if self.caller and row.caller != self.caller:
            return False
        if self.age and now - row.created > AGES[self.age]:
            return False
        if self.duration and (row.ran(now) or _NEVER) < DURATIONS[self.duration]:
            return False
        return not self.q or self._contains_text(row)

    def _contains_text(self, row: TaskRow) -> bool:
        wanted = self.q.lower()
        texts = (row.name, row.tool, row.message, row.reason, row.caller, row.node, row.pod, row.progress_text)
        return any(wanted in text.lower() for text in texts)


@dataclass(frozen=True)
class TaskListView:
    """What one list shows."""

    query: ListQuery
    rows: Sequence[TaskRow]
    counts: Mapping[str, int]
    found: int
    total: int
    pages: int
    concerns: Sequence[Concern]
    more_concerns: int

    @property
    def first(self) -> int:
        return (self.query.page - 1) * PAGE_SIZE + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return (self.query.page - 1) * PAGE_SIZE + len(self.rows)


@dataclass(frozen=True)
class FilterChoices:
    """What can be chosen in the form above the list."""

    tools: Sequence[str]
    callers: Sequence[str]
    namespaces: Sequence[str]

    @classmethod
    def of(cls, rows: Iterable[TaskRow], query: ListQuery, most: int = 100) -> Self:
        """The tools, callers and namespaces of the rows, the most frequent ones where there are many.

        What is chosen is among them, whether there are such tasks or not: the form would take it back otherwise.
        """
        tools, callers, namespaces = Counter[str](), Counter[str](), Counter[str]()
        for row in rows:
            tools[row.tool] += 1
            callers[row.caller] += 1
            namespaces[row.namespace] += 1
        counted = ((tools, query.tool), (callers, query.caller), (namespaces, query.namespace))
        return cls(
            *(sorted({chosen, *(name for name, _ in found.most_common(most))} - {""}) for found, chosen in counted)
        )


def list_view(rows: Sequence[TaskRow], query: ListQuery, now: datetime) -> TaskListView:
    """What the list shows of the rows, all of which the viewer may see."""
    matching = [row for row in rows if query.matches(row, now)]
    counts = Counter(row.phase.value for row in matching)
    found = [row for row in matching if row.phase == query.phase] if query.phase else matching
    key = SORTS[query.sort]
    found.sort(key=lambda row: (key(row, now), row.created, row.name), reverse=query.descending)
    pages = max(1, -(-len(found) // PAGE_SIZE))
    query = replace(query, page=max(1, min(query.page, pages)))
    begin = (query.page - 1) * PAGE_SIZE
    usual = usual_run_times(rows)
    concerns = [concern for row in matching if (concern := concern_of(row, usual, now)) is not None]
    concerns.sort(key=lambda concern: (concern.rank, concern.row.created))
    return TaskListView(
        query=query,
        rows=found[begin : begin + PAGE_SIZE],
        counts=counts,
        found=len(found),
        total=len(rows),
        pages=pages,
        concerns=concerns[:SHOWN_CONCERNS],
        more_concerns=max(0, len(concerns) - SHOWN_CONCERNS),
    )
