"""Structured logs: for people by default, one JSON object per line where set, with the task's id on each line.

`bind_task` puts a task's id on every record that the current context logs. Within a trace, JSON has the ids of trace
and span too. What a tool has raised is logged with the frames of its author alone, unless the level is DEBUG.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

from mcptasks.diagnostics.tracebacks import own_traceback
from mcptasks.diagnostics.user_modules import author_name
from mcptasks.diagnostics.visible_text import visible, visible_json

TOOL_LOGGER = "mcptasks.tool"
"""The logger that tools are given."""

MAX_VALUE_CHARACTERS = 1000
"""Of one value in a record."""

MAX_TEXT_CHARACTERS = 20_000
"""Of a message without its values, and of an exception."""

CONTINUED = "\n    "
"""How a record goes on in another line, so that no text of others can begin like a record of its own."""

_TASK: ContextVar[str | None] = ContextVar("mcptasks_task", default=None)
_OURS = frozenset({"aiohttp", "asyncio", "kopf", "mcp", "sse_starlette", "uvicorn"})
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
    """Adds the current task's id to each record, and the ids of the current span as OpenTelemetry's logs have them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "task"):
            record.task = _TASK.get()
        span = get_current_span().get_span_context()
        if span.is_valid:
            record.trace_id, record.span_id = format_trace_id(span.trace_id), format_span_id(span.span_id)
        return True


class BoundedValues(logging.Filter):
    """Shortens what mcptasks and its libraries put into a record: ids, headers, tokens' fields and the like come from
    outside and may be of any length. What a tool or another program logs stays whole.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if _may_be_shortened(record):
            if isinstance(record.args, tuple):
                record.args = tuple(_bounded(value) for value in record.args)
            if isinstance(record.msg, str):
                record.msg = _shortened(record.msg, MAX_TEXT_CHARACTERS)
            for key in vars(record).keys() - _STANDARD | {"task"}:
                setattr(record, key, _bounded(getattr(record, key, None)))
        return True


def _bounded(value: object) -> object:
    """The value, or in its place the start and the end of its text, where that is too long."""
    if value is None or isinstance(value, int | float):
        return value
    text = ""
    # An exception of others may have no text. Whoever writes the record says so, and the caller goes on.
    with suppress(Exception):
        text = str(value)
    return value if len(text) <= MAX_VALUE_CHARACTERS else _shortened(text, MAX_VALUE_CHARACTERS)


def _shortened(text: str, limit: int) -> str:
    left_out, half = len(text) - limit, limit // 2
    return text if left_out <= 0 else f"{text[:half]} ... [{left_out} characters left out] ... {text[-half:]}"


def _may_be_shortened(record: logging.LogRecord) -> bool:
    package = record.name.partition(".")[0]
    return (package in _OURS or package.startswith("mcptasks")) and record.name != TOOL_LOGGER


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
        ours = author_name(record.name).partition(".")[0] in ("mcp", "mcptasks") and record.name != TOOL_LOGGER
        short = own_traceback(error) if error is not None and ours and not self.all_frames else None
        text = self.formatException(record.exc_info) if short is None else short.rstrip("\n")
        return _shortened(text, MAX_TEXT_CHARACTERS) if _may_be_shortened(record) else text


class JsonFormatter(ExceptionFormatter):
    """One JSON object per record: time, level, logger, message, task, exception and what was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": author_name(record.name),
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
        logger, of_task = author_name(record.name), f"[{task}] " if task else ""
        text = f"{clock} {record.levelname:<7} {logger}: {of_task}{record.getMessage()}"
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
    handler.addFilter(BoundedValues())
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
