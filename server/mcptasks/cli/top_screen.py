"""The live view of `mcptasks top`: frames on a terminal's second screen, until somebody ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

import typer
from rich.console import Console, ConsoleDimensions, Group
from rich.control import Control

from mcptasks.cli.top_frame import FrameSize, TopFrame
from mcptasks.cli.top_keys import TopKey, keyboard, view_after
from mcptasks.cli.top_rows import TopView
from mcptasks.cli.top_source import TopBoard
from mcptasks.cli.top_table import Glyphs

PAUSE_SECONDS = 0.25
"""Between two frames, at least; a key is answered at once."""

TICK_SECONDS = 1.0
"""How often is drawn where nothing changes: times go on."""

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(eq=False)
class TopScreen:
    """Draws a board. `rows` is how many tasks are shown at most."""

    board: TopBoard
    view: TopView
    console: Console
    rows: int | None = None
    _urgent: asyncio.Event = field(default_factory=asyncio.Event)
    _end: int | None = None
    """The exit code, once it is over."""

    async def run(self) -> None:
        """Draw until `q`. Raises typer.Exit where a signal ends it."""
        with _silence(), self._signals(), self.console.screen() as screen, self._keyboard():
            while self._end is None:
                self.board.news.clear()
                self._urgent.clear()
                lines = self._frame().lines(self.board.facts(), self.view)
                self.console.control(Control.home())
                screen.update(Group(*lines))
                await self._wait()
        if self._end:
            raise typer.Exit(self._end)

    def _frame(self) -> TopFrame:
        columns, lines = self._follow_terminal()
        return TopFrame(FrameSize(columns, lines, self.rows), Glyphs.of(self.console.encoding), live=True)

    def _follow_terminal(self) -> tuple[int, int]:
        """Columns and lines now: those of the terminal itself, where COLUMNS and LINES stay as they were exported."""
        with suppress(OSError):
            columns, lines = os.get_terminal_size(sys.stdout.fileno())
            if columns and lines:
                self.console.size = ConsoleDimensions(columns, lines)
        return self.console.size

    async def _wait(self) -> None:
        """Until there is a key, or news and a pause are over."""
        await _for(self._urgent, PAUSE_SECONDS)
        if not self._urgent.is_set():
            await _for(self.board.news, TICK_SECONDS - PAUSE_SECONDS)

    def _pressed(self, key: TopKey) -> None:
        if key is TopKey.QUIT:
            self._stop(0)
            return
        facts = self.board.facts()
        count = len(self.view.shown(facts.rows, facts.now))
        self.view = view_after(self.view, key, page=self._frame().page(facts), count=count)
        self._wake()

    def _stop(self, code: int) -> None:
        self._end = code
        self._wake()

    def _wake(self) -> None:
        self._urgent.set()
        self.board.news.set()

    def _keyboard(self) -> AbstractContextManager[None]:
        return keyboard(sys.stdin.fileno(), self._pressed) if sys.stdin.isatty() else nullcontext()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Leave the terminal as it was whoever ends the program, and draw anew when its size changes."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop, 128 + number)
        loop.add_signal_handler(signal.SIGWINCH, self._wake)
        try:
            yield
        finally:
            for number in (*SIGNALS, signal.SIGWINCH):
                loop.remove_signal_handler(number)


async def _for(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what is logged, as of a watch that is tried again, away from the screen, which says so itself."""
    handler, root = logging.NullHandler(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
