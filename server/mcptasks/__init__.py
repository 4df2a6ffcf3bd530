"""Run long MCP tool calls as Kubernetes Jobs: `from mcptasks import TaskServer, TaskConfig, progress`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcptasks.app import TaskServer
    from mcptasks.config import TaskConfig, TaskConfigError
    from mcptasks.reports import progress

__all__ = ["TaskConfig", "TaskConfigError", "TaskServer", "progress"]

_HOME = {
    "TaskConfig": "mcptasks.config",
    "TaskConfigError": "mcptasks.config",
    "TaskServer": "mcptasks.app",
    "progress": "mcptasks.reports",
}


def __getattr__(name: str) -> object:
    # Imported on first use: the operator and most commands never need the MCP SDK, which takes a second to import.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
