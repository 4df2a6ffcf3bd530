"""The table of tasks of `mcptasks top`: which columns there is room for, and what stands in them. Pure."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from mcptasks.cli.kubectl_tables import distinct_length
from mcptasks.cli.task_description import ago, lasting
from mcptasks.cli.top_rows import TopFacts, TopRow, TopState
from mcptasks.diagnostics.visible_text import visible_line

GAP = 2
BAR_CELLS = 12
PERCENT = " 100%"
LEAST_SAID = 8
READABLE_SAID = 40
"""What is said gets so much room before columns that matter less."""

SHORTEST_NAME = 12
EXACT_SECONDS = 10
MIB, GIB = 2**20, 2**30

STATE_STYLES = {
    TopState.ASKING: "bold magenta",
    TopState.RUNNING: "cyan",
    TopState.RETRYING: "red",
    TopState.WAITING: "default",
    TopState.COMPLETED: "green",
    TopState.FAILED: "red",
    TopState.CANCELLED: "dim",
}
"""As the phases' colours elsewhere: a light background bears them as well as a dark one."""

LOUD = frozenset({TopState.ASKING, TopState.FAILED, TopState.RETRYING})
"""Where somebody should read what there is to say."""


@dataclass(frozen=True)
class Glyphs:
    """The characters that pictures are made of."""

    done: str = "━"
    rest: str = "─"
    busy: str = "●"
    idle: str = "○"
    starting: str = "◌"
    missing: str = "·"
    cut: str = "…"

    @classmethod
    def of(cls, encoding: str) -> Glyphs:
        """Those that the encoding has."""
        try:
            "".join(vars(cls()).values()).encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return cls("#", "-", "#", "o", "~", ".", "...")
        return cls()

    def shortened(self, text: Text, width: int) -> Text:
        """The text, cut to that width (changed in place)."""
        text.truncate(max(width, 0), overflow="ellipsis" if self.cut == "…" else "crop")
        return text


@dataclass(frozen=True)
class TopColumn:
    """A column besides the last one, which has what room is left. The higher its rank, the earlier it gets some."""

    title: str
    cell: Callable[[TopRow], str]
    rank: int
    least: int | None = None
    most: int = 24
    right: bool = False
    style: Callable[[TopRow], str] | None = None
    by_end: bool = False
    """Whether it is the end that tells a value from others."""

    def wanted(self, rows: Sequence[TopRow]) -> int:
        """The width that shows everything, within limits."""
        longest = max((Text(visible_line(self.cell(row))).cell_len for row in rows), default=0)
        return max(min(longest, self.most), len(self.title))

    def text(self, row: TopRow, width: int, glyphs: Glyphs) -> Text:
        """The row's cell, as wide as the column."""
        style = (_faded if self.style is None else self.style)(row)
        value = visible_line(self.cell(row))
        if self.by_end and len(value) > width:
            value = glyphs.cut + value[len(value) - max(width - len(glyphs.cut), 0) :]
        return self.aligned(glyphs.shortened(Text(value, style), width), width)

    def aligned(self, text: Text, width: int) -> Text:
        """The text, as wide as the column (changed in place)."""
        text.align("right" if self.right else "left", width)
        return text


@dataclass(frozen=True)
class TableLayout:
    """The columns that there is room for, their widths, and the room for the last one."""

    columns: Sequence[TopColumn]
    widths: Sequence[int]
    progress: int

    def lines(self, rows: Sequence[TopRow], glyphs: Glyphs) -> list[Text]:
        """The header, and a line for each row."""
        pairs = list(zip(self.columns, self.widths, strict=True))
        header = [column.aligned(Text(column.title, "bold dim"), width) for column, width in pairs]
        lines = [_joined([*header, Text("PROGRESS", "bold dim")])]
        for row in rows:
            cells = [column.text(row, width, glyphs) for column, width in pairs]
            lines.append(_joined([*cells, progress_cell(row, self.progress, glyphs)]))
        return lines


def table_layout(facts: TopFacts, rows: Sequence[TopRow], width: int) -> TableLayout:
    """The layout for these rows; columns that have nothing to show are left out."""
    columns = [column for column in _columns(facts, rows) if any(column.cell(row) for row in rows)]
    progress, widths = min(_least_progress(rows), max(width // 3, len("PROGRESS"))), dict[str, int]()
    left = width - progress
    by_rank = sorted(columns, key=lambda column: -column.rank)
    for column in by_rank:
        least = min(column.least or column.most, column.wanted(rows))
        if least + GAP <= left or not widths:
            widths[column.title], left = least, left - least - GAP
    for column in (each for each in by_rank if each.title in widths):
        more = max(min(column.wanted(rows) - widths[column.title], left), 0)
        widths[column.title], left = widths[column.title] + more, left - more
    kept = [column for column in columns if column.title in widths]
    return TableLayout(kept, [widths[column.title] for column in kept], max(progress + left, 0))


def _least_progress(rows: Sequence[TopRow]) -> int:
    """The width that the last column needs: for bars, and for words as far as there are any."""
    plain = Glyphs()
    measures = max(_measured(row, plain).cell_len for row in rows)
    said = max((len(row.says) for row in rows), default=0)
    return max(measures + min(said + 1, READABLE_SAID - BAR_CELLS), min(said, READABLE_SAID), len("PROGRESS"))


def _columns(facts: TopFacts, rows: Sequence[TopRow]) -> list[TopColumn]:
    length = max(_distinct([row.task.name for row in rows], facts), SHORTEST_NAME)
    names_tell = all(row.task.name.startswith(f"{row.task.tool.replace('_', '-')}-") for row in rows)
    now = facts.now
    columns = [
        TopColumn("TASK", lambda row: row.task.name[:length], 12, length, length, style=_strong),
        TopColumn("TOOL", lambda row: row.task.tool, 1 if names_tell else 7, 6, 16),
        TopColumn("CALLER", lambda row: row.task.caller, 3, 6, 20),
        TopColumn("STATE", lambda row: row.state.value, 11, style=lambda row: STATE_STYLES[row.state]),
        TopColumn("RAN", lambda row: _ran(row, now), 6, right=True),
        TopColumn("AGE", lambda row: ago(row.task.created, now), 8, right=True),
        TopColumn("CPU", lambda row: _seconds(row.cpu_seconds), 4, right=True),
        TopColumn("MEMORY", lambda row: _size(row.peak_memory), 5, right=True),
        TopColumn("POD", lambda row: row.task.pod, 2, 9, 20, by_end=True),
    ]
    namespace = TopColumn("NAMESPACE", lambda row: row.task.namespace, 9, 9)
    return [namespace, *columns] if facts.with_namespace else columns


def _distinct(shown: Sequence[str], facts: TopFacts) -> int:
    """How much of these names has to stay so that no other task's begins so: commands take what is left."""
    names = sorted({row.task.name for row in facts.rows})
    beside = {near for name in shown for near in names[max(bisect(names, name) - 2, 0) : bisect(names, name) + 1]}
    return distinct_length([*beside, *shown])


def _joined(cells: Sequence[Text]) -> Text:
    return Text(" " * GAP).join(cells)


def _faded(row: TopRow) -> str:
    return "default" if row.task.is_open else "dim"


def _strong(row: TopRow) -> str:
    return "bold" if row.task.is_open else "default"


def _ran(row: TopRow, now: datetime) -> str:
    ran = row.task.ran(now)
    if ran is None or row.state in (TopState.WAITING, TopState.RETRYING):
        return ""
    return lasting(ran.total_seconds())


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f}s" if seconds < EXACT_SECONDS else lasting(seconds)


def _size(size: int | None) -> str:
    if size is None:
        return ""
    return f"{size / GIB:.1f}Gi" if size >= GIB else f"{max(size // MIB, 1)}Mi"


def progress_cell(row: TopRow, width: int, glyphs: Glyphs) -> Text:
    """How far the task is, as a bar where it says so, and what there is to say of it."""
    text = _measured(row, glyphs, width)
    room = width - text.cell_len - (1 if text else 0)
    if not row.says or room < LEAST_SAID:
        return text
    style = STATE_STYLES[row.state] if row.state in LOUD else "dim"
    words = glyphs.shortened(Text(visible_line(row.says), style), room)
    return Text.assemble(text, " ", words) if text else words


def _measured(row: TopRow, glyphs: Glyphs, width: int = BAR_CELLS + len(PERCENT)) -> Text:
    """The task's own measure: a bar with its share where there is room, or a number."""
    percent, current = row.task.percent, row.task.current
    if row.state is not TopState.RUNNING or current is None:
        return Text()
    if percent is None:
        return Text(f"{current:,.10g}")
    if width < BAR_CELLS + len(PERCENT):
        return Text(f"{percent:>3}%")
    done = percent * BAR_CELLS // 100
    return Text.assemble((glyphs.done * done, "cyan"), (glyphs.rest * (BAR_CELLS - done), "dim"), f" {percent:>3}%")
