"""The server's event loop, which no task ends that a tool has started on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


def run_lasting(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on a loop that goes on after SystemExit in another task, for which asyncio would stop it.

    Raises what the work raises.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(work)
        while True:
            try:
                return loop.run_until_complete(task)
            except SystemExit:
                if task.done():
                    raise
                logger.exception("a task on the server's loop wanted to end the process, which goes on")
