"""Structured logs: for people by default, one JSON object per line where set, with the task's id on each line.

`bind_task` puts a task's id on every record that the current context logs. What a tool has raised is logged with the
frames of its author alone, unless the level is DEBUG.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from mcptasks.diagnostics.tracebacks import own_traceback
from mcptasks.diagnostics.visible_text import visible, visible_json

TOOL_LOGGER = "mcptasks.tool"
"""The logger that tools are given."""

CONTINUED = "\n    "
"""How a record goes on in another line, so that no text of others can begin like a record of its own."""

_TASK: ContextVar[str | None] = ContextVar("mcptasks_task", default=None)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "task", "taskName"}


@contextmanager
def bind_task(task_id: str) -> Iterator[None]:
    """Log everything in this context under the task's id."""
    token = _TASK.set(task_id)
    try:
        yield
    finally:
        _TASK.reset(token)


class TaskFilter(logging.Filter):
    """Adds the current task's id to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "task"):
            record.task = _TASK.get()
        return True


class ExceptionFormatter(logging.Formatter):
    """Writes exceptions that mcptasks and the MCP SDK log; those that others log are theirs.

    Args:
        all_frames: whether to show the frames of libraries too.
    """

    def __init__(self, *, all_frames: bool = False) -> None:
        super().__init__()
        self.all_frames = all_frames

    def exception_of(self, record: logging.LogRecord) -> str | None:
        """The record's exception as text, if it has one."""
        if not record.exc_info:
            return None
        error = record.exc_info[1]
        ours = record.name.partition(".")[0] in ("mcp", "mcptasks") and record.name != TOOL_LOGGER
        short = own_traceback(error) if error is not None and ours and not self.all_frames else None
        return self.formatException(record.exc_info) if short is None else short.rstrip("\n")


class JsonFormatter(ExceptionFormatter):
    """One JSON object per record: time, level, logger, message, task, exception and what was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if task := getattr(record, "task", None):
            entry["task"] = task
        if (exception := self.exception_of(record)) is not None:
            entry["exception"] = exception
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        return visible_json(entry, default=str)


class HumanFormatter(ExceptionFormatter):
    """Time, level, logger, the task in brackets, message; further lines of it, and an exception, are indented.

    What a terminal would obey is shown: names and messages in records are often those of others.
    """

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        task = getattr(record, "task", None)
        text = f"{clock} {record.levelname:<7} {record.name}: {f'[{task}] ' if task else ''}{record.getMessage()}"
        exception = self.exception_of(record)
        return visible(f"{text}\n{exception or ''}".rstrip("\n").replace("\n", CONTINUED))


def configure_logging(log_format: str, level: str, stream: TextIO | None = None, *, all_frames: bool = False) -> None:
    """Send all logs to standard error in the given format (`human` or `json`).

    `all_frames` is for programs that run no code of others: their exceptions are ours.

    The SDK warns of `ctx.info` and its like, three times per call: newer clients do not get their messages any more.
    They are in the log of the process in any case, so that nobody needs the warning. What a user has asked to be warned
    of (`-W`, `PYTHONWARNINGS`) comes first.
    """
    warnings.filterwarnings("ignore", "The logging capability is deprecated", UserWarning, append=True)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(TaskFilter())
    formatter = JsonFormatter if log_format == "json" else HumanFormatter
    handler.setFormatter(formatter(all_frames=all_frames or level == "DEBUG"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in (
        "httpx",
        "httpcore",
        "httpx2",
        "httpcore2",
        "uvicorn.error",
        "aiohttp.access",
        "kopf.objects",
        "kopf._core",
        "mcp",
        "uvicorn.access",
    ):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
