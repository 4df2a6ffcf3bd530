"""The server's event loop, which no task ends that a tool has started on it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


def run_lasting(work: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, on a loop that goes on after SystemExit and KeyboardInterrupt in other tasks.

    asyncio stops a loop for these two. Without a handler for SIGINT, Ctrl-C ends the work with KeyboardInterrupt
    wherever it is; with one, as `stop_on_signals` sets it, KeyboardInterrupt can only be a task's own. Raises what the
    work raises.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(work)
        while True:
            try:
                return loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as error:
                if task.done() or (isinstance(error, KeyboardInterrupt) and _interrupts()):
                    raise
                logger.exception("a task on the server's loop wanted to end the process, which goes on")


def _interrupts() -> bool:
    """Whether Ctrl-C raises KeyboardInterrupt."""
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler
