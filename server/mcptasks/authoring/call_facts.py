"""What a call, and with it its dependencies, may know of itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.logs import TOOL_LOGGER
from mcptasks.model.task import Principal


@dataclass(frozen=True)
class TaskInfo:
    """The task that a function runs for. Where it runs inline there is none: `id` and `deadline` are None.

    Args:
        id: the task's id, which is also the name of its McpTask.
        attempt: 1 for the first run, more after a crash or an eviction.
        deadline: when the run will be ended, UTC.
        cancelled: set as soon as the call is cancelled, for threads and loops that have to find out themselves.
        log: a logger whose lines are in the Pod's log, with the task's id.
    """

    id: str | None = None
    attempt: int = 1
    deadline: datetime | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger(TOOL_LOGGER))


@dataclass(frozen=True)
class CallFacts:
    """What the dependencies of a call may know of it: its task, who called, and headers that may be known.

    `show_exceptions` is whether its caller is told what it raised (`MCPTASKS_SHOW_EXCEPTIONS`).
    """

    task: TaskInfo = field(default_factory=TaskInfo)
    principal: Principal | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    show_exceptions: bool = False
