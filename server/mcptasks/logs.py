"""Structured logs: for people by default, one JSON object a line by setting, with the task's id on each line.

`bind_task` puts a task's id on every record that the current context logs.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

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


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, task, exception and what was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if task := getattr(record, "task", None):
            entry["task"] = task
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        return json.dumps(entry, default=str, ensure_ascii=False)


class HumanFormatter(logging.Formatter):
    """Time, level, logger, the task in brackets, message."""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        task = getattr(record, "task", None)
        line = f"{clock} {record.levelname:<7} {record.name}: {f'[{task}] ' if task else ''}{record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure_logging(log_format: str, level: str, stream: TextIO | None = None) -> None:
    """Send all logs to standard error in the given format (`human` or `json`).

    The SDK warns of `ctx.info` and its like, three times a call: newer clients do not get their messages any more. They
    are in the log of the process in any case, so that nobody needs the warning. What a user has asked to be warned of
    (`-W`, `PYTHONWARNINGS`) comes first.
    """
    warnings.filterwarnings("ignore", "The logging capability is deprecated", UserWarning, append=True)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(TaskFilter())
    handler.setFormatter(JsonFormatter() if log_format == "json" else HumanFormatter())
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
