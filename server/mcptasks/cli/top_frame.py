"""A frame of `mcptasks top`: lines of a terminal, made of facts. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from mcptasks.cli.task_description import lasting
from mcptasks.cli.top_rows import PoolRow, TopFacts, TopRow, TopState, TopView, counts_of
from mcptasks.cli.top_table import GAP, STATE_STYLES, Glyphs, table_layout
from mcptasks.diagnostics.visible_text import visible_line

SHOWN_POOLS = 4
METER_CELLS = 20
ALWAYS_COUNTED = frozenset({TopState.RUNNING, TopState.WAITING})


@dataclass(frozen=True)
class FrameSize:
    """How much room there is, in cells and lines. Where `height` is None the frame has `rows` tasks at most, or all."""

    width: int
    height: int | None = None
    rows: int | None = None

    def room(self, taken: int, count: int) -> int:
        """How many of so many tasks can be shown where other lines are taken."""
        most = count if self.rows is None else self.rows
        if self.height is None:
            return most
        free = self.height - taken
        # What says how many more there are takes a line too.
        return max(min(most, free if count <= free else free - 1), 1)


@dataclass(frozen=True)
class TopFrame:
    """Draws frames. `live` adds a line at the end that says what can be pressed."""

    size: FrameSize
    glyphs: Glyphs
    live: bool = False

    def lines(self, facts: TopFacts, view: TopView) -> list[Text]:
        """The lines, none wider than the terminal."""
        head, foot = self._head(facts), [self._keys(view)] if self.live else []
        shown = view.shown(facts.rows, facts.now)
        room = self.size.room(len(head) + 1 + len(foot), len(shown))
        first = max(min(view.first, len(shown) - room), 0)
        seen = shown[first : first + room]
        rest = self._rest(shown[:first], shown[first + room :])
        body = table_layout(facts, seen, self.size.width).lines(seen, self.glyphs) if seen else [_nothing(facts)]
        lines = [*head, *body, *rest]
        if self.size.height is not None and foot:
            lines += [Text()] * (self.size.height - len(lines) - len(foot))
        return [self.glyphs.shortened(line, self.size.width) for line in [*lines, *foot]]

    def page(self, facts: TopFacts) -> int:
        """How many tasks a frame has room for."""
        return self.size.room(len(self._head(facts)) + 1 + int(self.live), len(facts.rows))

    def _head(self, facts: TopFacts) -> list[Text]:
        return [self._title(facts), self._counts(facts), *self._pools(facts), Text()]

    def _title(self, facts: TopFacts) -> Text:
        right = _freshness(facts)
        left = Text.assemble(("mcptasks top", "bold"), " " * GAP, visible_line(facts.where))
        room = max(self.size.width - right.cell_len - GAP, 0)
        left = self.glyphs.shortened(left, room)
        left.pad_right(room - left.cell_len)
        return Text.assemble(left, " " * GAP, right)

    def _counts(self, facts: TopFacts) -> Text:
        parts = [
            Text.assemble((f"{count:,}", f"bold {STATE_STYLES[state]}" if count else "dim"), f" {state.value}")
            for state, count in counts_of(facts.rows).items()
            if count or state in ALWAYS_COUNTED
        ]
        return Text(" " * GAP).join(parts)

    def _pools(self, facts: TopFacts) -> list[Text]:
        pools = (facts.pools or ())[:SHOWN_POOLS]
        if not pools:
            return []
        names = [f"{pool.namespace}/{pool.name}" if facts.with_namespace else pool.name for pool in pools]
        meters = [self._meter(pool) for pool in pools]
        longest = max(len("POOL"), min(max(map(len, names)), self.size.width // 4))
        longest_meter = max(len("WORKERS"), *(meter.cell_len for meter in meters))
        header = f"{'POOL':<{longest}}  {'WORKERS':<{longest_meter}}  READY  BUSY  WANTED  WAITING"
        lines = [Text(), Text(header, "bold dim")]
        for pool, name, meter in zip(pools, names, meters, strict=True):
            meter.pad_right(longest_meter - meter.cell_len)
            numbers = f"  {pool.ready:>5}  {pool.busy:>4}  {pool.wanted:>6}  {pool.waiting:>7}"
            short = (visible_line(pool.shortage), "red")
            lines.append(Text.assemble(f"{name[:longest]:<{longest}}", "  ", meter, numbers, "  ", short))
        hidden = len(facts.pools or ()) - len(pools)
        return [*lines, Text(f"{self.glyphs.cut} {hidden:,} more", "dim")] if hidden else lines

    def _meter(self, pool: PoolRow) -> Text:
        """A mark for each worker; where there are many, one for several."""
        parts = (
            (pool.busy, self.glyphs.busy, "cyan"),
            (pool.idle, self.glyphs.idle, "green"),
            (pool.starting, self.glyphs.starting, "default"),
            (pool.missing, self.glyphs.missing, "red"),
        )
        scale = max(sum(count for count, _, _ in parts) / METER_CELLS, 1)
        return Text.assemble(*((mark * math.ceil(count / scale), style) for count, mark, style in parts))

    def _rest(self, before: Sequence[TopRow], after: Sequence[TopRow]) -> list[Text]:
        parts = [f"{len(before):,} above"] if before else []
        if after:
            states = [f"{count:,} {state.value}" for state, count in counts_of(after).items() if count]
            parts.append(f"{len(after):,} more: {', '.join(states)}")
        return [Text(f"{self.glyphs.cut} {'; '.join(parts)}", "dim")] if parts else []

    def _keys(self, view: TopView) -> Text:
        sort = f"{view.sort.value}{', reversed' if view.reverse else ''}"
        ended = "hide ended" if view.ended else "show ended"
        pairs = [("q", "quit"), ("s", f"sort: {sort}"), ("r", "reverse"), ("e", ended), ("arrows", "scroll")]
        parts = [Text.assemble((key, "bold"), " ", (what, "dim")) for key, what in pairs]
        return Text(" " * GAP).join(parts)


def _freshness(facts: TopFacts) -> Text:
    if facts.unreachable:
        return Text(f" reconnecting, as of {lasting(facts.unreachable)} ago ", "bold red reverse")
    if not facts.complete:
        return Text("reading the tasks", "dim")
    return Text(facts.now.astimezone().strftime("%H:%M:%S"), "dim")


def _nothing(facts: TopFacts) -> Text:
    if not facts.complete:
        return Text()
    return Text("None of the tasks is to be shown." if facts.rows else "No tasks.", "dim")
