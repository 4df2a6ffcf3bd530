"""Progress of calls: a live bar on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from mcptasks.client import CallProgress

MESSAGE_WIDTH = 60


class ProgressView(Protocol):
    """Shows the progress of calls, each under a name."""

    def show(self, name: str, report: CallProgress) -> None:
        """Show how far the call is."""
        ...

    def note(self, text: str) -> None:
        """Say something besides."""
        ...

    def done(self, name: str, outcome: str) -> None:
        """The call has ended; say how in a word or two."""
        ...


@dataclass
class PlainView:
    """A line for each change."""

    to_stderr: bool = True
    _last: dict[str, str] = field(default_factory=dict)

    def show(self, name: str, report: CallProgress) -> None:
        line = progress_text(report)
        if line and self._last.get(name) != line:
            self._last[name] = line
            self.note(f"{name}: {line}")

    def note(self, text: str) -> None:
        typer.echo(text, err=self.to_stderr)

    def done(self, name: str, outcome: str) -> None:
        self.note(f"{name}: {outcome}")


@dataclass
class BarView:
    """A live bar for each call. Once all calls have ended the bars stay where they are, and text goes on below them."""

    console: Console
    _progress: Progress | None = None
    _rows: dict[str, TaskID] = field(default_factory=dict)

    def show(self, name: str, report: CallProgress) -> None:
        progress, row = self._row(name)
        message = (report.message or "")[:MESSAGE_WIDTH]
        progress.update(row, total=report.total, completed=report.current or 0, message=message, refresh=True)

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def done(self, name: str, outcome: str) -> None:
        progress, row = self._row(name)
        total = next(task.total for task in progress.tasks if task.id == row) or 1
        completed = total if outcome.startswith("completed") else None
        progress.update(row, total=total, completed=completed, message=outcome)
        progress.stop_task(row)
        del self._rows[name]
        if not self._rows:
            self.close()

    def close(self) -> None:
        """Leave the bars as they are."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._rows.clear()

    def _row(self, name: str) -> tuple[Progress, TaskID]:
        if self._progress is None:
            self._progress = Progress(*_columns(), console=self.console)
            self._progress.start()
        if name not in self._rows:
            self._rows[name] = self._progress.add_task(name, total=None, message="")
        return self._progress, self._rows[name]


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )


@contextmanager
def progress_view(*, to_stderr: bool = True) -> Iterator[ProgressView]:
    """The view that suits standard error (or standard output)."""
    if not (sys.stderr if to_stderr else sys.stdout).isatty():
        yield PlainView(to_stderr)
        return
    view = BarView(Console(stderr=to_stderr))
    try:
        yield view
    finally:
        view.close()


def progress_text(report: CallProgress) -> str:
    """Progress in a few words, for example `45% (9/20) parsing ast`."""
    parts = []
    if report.current is not None and report.total:
        parts.append(f"{report.current / report.total:.0%} ({report.current:g}/{report.total:g})")
    elif report.current is not None:
        parts.append(f"{report.current:g}")
    if report.message:
        parts.append(report.message)
    return " ".join(parts)
