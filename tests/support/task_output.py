"""What a task has printed, out of the log of the worker that ran it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mcptasks.model.task_lines import TaskLineReader


def lines_of_task(lines: Iterable[str], task: str, attempt: int | None = None) -> Iterator[str]:
    """What the task printed, without tags and with its pieces put together.

    Args:
        lines: a worker's log.
        attempt: this attempt's lines only; None: all of them.
    """
    reader = TaskLineReader(task, attempt)
    yield from (text for line in lines if (text := reader.feed(line)) is not None)
    if reader.rest():
        yield reader.rest()
