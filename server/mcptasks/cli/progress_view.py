"""Progress on standard error: a live bar on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from mcptasks.client import Progress as ProgressReport

MESSAGE_WIDTH = 60


class ProgressView(Protocol):
    """Shows the progress of calls, each under a name."""

    def show(self, name: str, report: ProgressReport) -> None:
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

    _last: dict[str, str] = field(default_factory=dict)

    def show(self, name: str, report: ProgressReport) -> None:
        line = progress_text(report)
        if line and self._last.get(name) != line:
            self._last[name] = line
            self.note(f"{name}: {line}")

    def note(self, text: str) -> None:
        typer.echo(text, err=True)

    def done(self, name: str, outcome: str) -> None:
        self.note(f"{name}: {outcome}")


@dataclass
class BarView:
    """A live bar for each call."""

    progress: Progress
    _rows: dict[str, TaskID] = field(default_factory=dict)

    def show(self, name: str, report: ProgressReport) -> None:
        row = self._row(name)
        message = (report.message or "")[:MESSAGE_WIDTH]
        self.progress.update(row, total=report.total, completed=report.current or 0, message=message)

    def note(self, text: str) -> None:
        self.progress.console.print(text, markup=False, highlight=False)

    def done(self, name: str, outcome: str) -> None:
        row = self._row(name)
        total = next(task.total for task in self.progress.tasks if task.id == row) or 1
        completed = total if outcome == "completed" else None
        self.progress.update(row, total=total, completed=completed, message=outcome)
        self.progress.stop_task(row)

    def _row(self, name: str) -> TaskID:
        if name not in self._rows:
            self._rows[name] = self.progress.add_task(name, total=None, message="")
        return self._rows[name]


@contextmanager
def progress_view() -> Iterator[ProgressView]:
    """The view that suits standard error."""
    if not sys.stderr.isatty():
        yield PlainView()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield BarView(progress)


def progress_text(report: ProgressReport) -> str:
    """Progress in a few words, for example `45% (9/20) parsing ast`."""
    parts = []
    if report.current is not None and report.total:
        parts.append(f"{report.current / report.total:.0%} ({report.current:g}/{report.total:g})")
    elif report.current is not None:
        parts.append(f"{report.current:g}")
    if report.message:
        parts.append(report.message)
    return " ".join(parts)
