"""Progress of calls: a live bar on a terminal, a line for each change elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.theme import Theme

from mcptasks.cli.terminal_text import tell
from mcptasks.client import CallProgress
from mcptasks.diagnostics.visible_text import visible, visible_line
from mcptasks.model.excerpts import without_middle
from mcptasks.model.progress_text import progress_text

MESSAGE_WIDTH = 60

THEME = Theme(
    {
        "bar.back": "dim",
        "bar.complete": "magenta",
        "bar.finished": "green",
        "bar.pulse": "magenta",
        "progress.elapsed": "default",
        "progress.percentage": "magenta",
    }
)
"""Colours that a light background bears as well as a dark one: Rich's own have a yellow, and bright ones."""


class ProgressView(Protocol):
    """Shows the progress of calls, each under a name."""

    def begin(self, name: str, what: str) -> None:
        """Show at once that something goes on, and what; on a terminal only."""
        ...

    def show(self, name: str, report: CallProgress) -> None:
        """Show how far the call is."""
        ...

    def note(self, text: str) -> None:
        """Say something besides."""
        ...

    def done(self, name: str, outcome: str) -> None:
        """The call has ended; say how in a word or two."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """Draw nothing that moves meanwhile, so that somebody can type."""
        ...

    def close(self) -> None:
        """Leave what is shown as it is: from now on something else is printed."""
        ...


@dataclass
class PlainView:
    """A line for each change."""

    to_stderr: bool = True
    _last: dict[str, str] = field(default_factory=dict)

    def begin(self, name: str, what: str) -> None:
        """Logs need no lines about what does not matter later."""

    def show(self, name: str, report: CallProgress) -> None:
        line = report_text(report)
        if line and self._last.get(name) != line:
            self._last[name] = line
            self.note(f"{name}: {visible_line(line)}")

    def note(self, text: str) -> None:
        tell(text, err=self.to_stderr)

    def done(self, name: str, outcome: str) -> None:
        self.note(f"{name}: {outcome}")

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        """Lines stay as they are."""


@dataclass
class BarView:
    """A live bar for each call. Once all calls have ended the bars stay where they are, and text goes on below them."""

    console: Console
    _progress: Progress | None = None
    _is_paused: bool = False
    _rows: dict[str, TaskID] = field(default_factory=dict)

    def begin(self, name: str, what: str) -> None:
        progress, row = self._row(name)
        progress.update(row, message=what[:MESSAGE_WIDTH], refresh=not self._is_paused)

    def show(self, name: str, report: CallProgress) -> None:
        progress, row = self._row(name)
        message = without_middle(visible_line(report.message or ""), MESSAGE_WIDTH)
        # `update` takes no total away, and a share of a total that holds no more would be a stale one.
        progress.tasks[progress.task_ids.index(row)].total = report.total or None
        progress.update(
            row, completed=report.current or 0, message=message, numbers=_numbers(report), refresh=not self._is_paused
        )

    def note(self, text: str) -> None:
        self.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def done(self, name: str, outcome: str) -> None:
        progress, row = self._row(name)
        total = next(task.total for task in progress.tasks if task.id == row)
        progress.update(row, total=total or 1, message=outcome)
        if outcome.startswith("completed"):
            progress.update(row, completed=total or 1)
            if total:
                progress.update(row, numbers=progress_text(total, total))
        progress.stop_task(row)
        del self._rows[name]
        if not self._rows:
            self.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        if self._progress is not None:
            self._progress.stop()
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False
            if self._progress is not None:
                self._progress.start()

    def close(self) -> None:
        """Leave the bars as they are."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._rows.clear()

    def _row(self, name: str) -> tuple[Progress, TaskID]:
        if self._progress is None:
            self._progress = Progress(*_columns(), console=self.console)
            if not self._is_paused:
                self._progress.start()
        if name not in self._rows:
            self._rows[name] = self._progress.add_task(visible_line(name), total=None, message="", numbers="")
        return self._progress, self._rows[name]


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[numbers]}", markup=False, style="progress.percentage"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )


@contextmanager
def progress_view(*, to_stderr: bool = True) -> Iterator[ProgressView]:
    """The view that suits standard error (or standard output)."""
    view = view_on(Console(stderr=to_stderr, theme=THEME), to_stderr=to_stderr)
    try:
        yield view
    finally:
        view.close()


def view_on(console: Console, *, to_stderr: bool = True) -> ProgressView:
    """The view that suits the console, which writes to standard error (or standard output)."""
    # On a terminal that cannot move its cursor, a bar would be drawn once, at the end.
    if not console.file.isatty() or console.is_dumb_terminal:
        return PlainView(to_stderr)
    return BarView(console)


def report_text(report: CallProgress) -> str:
    """A report in a few words, for example `45% (9/20) parsing ast`."""
    return " ".join(filter(None, (_numbers(report), report.message)))


def _numbers(report: CallProgress) -> str:
    return "" if report.current is None else progress_text(report.current, report.total)
