"""What is pressed while `mcptasks top` runs."""

from __future__ import annotations

import asyncio
import os
import re
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum

from mcptasks.cli.top_rows import TopView

READ_BYTES = 1024

_KEY = re.compile(rb"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
"""A sequence that a terminal sends for a key (ECMA-48), or a byte."""


class TopKey(Enum):
    """A key that does something, by what terminals send for it."""

    QUIT = (b"q", b"Q")
    SORT = (b"s",)
    REVERSE = (b"r",)
    ENDED = (b"e",)
    UP = (b"\x1b[A", b"\x1bOA", b"k")
    DOWN = (b"\x1b[B", b"\x1bOB", b"j")
    PAGE_UP = (b"\x1b[5~", b"b")
    PAGE_DOWN = (b"\x1b[6~", b" ")
    HOME = (b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"g")
    END = (b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"G")


def keys_of(sent: bytes) -> list[TopKey]:
    """The keys of what a terminal has sent; others are left out."""
    found = _KEY.findall(sent)
    return [key for each in found for key in TopKey if each in key.value]


def view_after(view: TopView, key: TopKey, *, page: int, count: int) -> TopView:
    """The view once the key was pressed; `page` tasks of `count` fit on the screen."""
    if key is TopKey.SORT:
        return replace(view, sort=view.sort.next, first=0)
    if key is TopKey.REVERSE:
        return replace(view, reverse=not view.reverse, first=0)
    if key is TopKey.ENDED:
        return replace(view, ended=not view.ended, first=0)
    steps = {TopKey.UP: -1, TopKey.DOWN: 1, TopKey.PAGE_UP: -page, TopKey.PAGE_DOWN: page}
    steps |= {TopKey.HOME: -count, TopKey.END: count}
    return replace(view, first=max(min(view.first + steps.get(key, 0), count - page), 0))


@contextmanager
def keyboard(file: int, pressed: Callable[[TopKey], None]) -> Iterator[None]:
    """Tell of each key at once and show none of them; the terminal is as before afterwards.

    Ctrl-C interrupts as ever. Ctrl-Z does nothing: it would leave the shell with a screen that is not its own.
    """
    loop, before = asyncio.get_running_loop(), termios.tcgetattr(file)

    def read() -> None:
        sent = os.read(file, READ_BYTES)
        if not sent:
            loop.remove_reader(file)
        for key in keys_of(sent):
            pressed(key)

    try:
        tty.setcbreak(file)
        _without_suspension(file)
        loop.add_reader(file, read)
        yield
    finally:
        loop.remove_reader(file)
        termios.tcsetattr(file, termios.TCSAFLUSH, before)


def _without_suspension(file: int) -> None:
    attributes = termios.tcgetattr(file)
    attributes[6][termios.VSUSP] = bytes([os.fpathconf(file, "PC_VDISABLE")])
    termios.tcsetattr(file, termios.TCSADRAIN, attributes)
