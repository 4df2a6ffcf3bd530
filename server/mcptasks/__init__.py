"""Run long MCP tool calls as Kubernetes Jobs: `from mcptasks import TaskServer, TaskConfig, progress`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcptasks.app import TaskServer
    from mcptasks.config import DeclarationError, TaskConfig, TaskConfigError
    from mcptasks.dependencies import (
        Caller,
        CurrentAccessToken,
        CurrentContext,
        CurrentHeaders,
        CurrentTask,
        Depends,
        Progress,
        Shared,
        TaskInfo,
        TokenClaim,
    )
    from mcptasks.files import File
    from mcptasks.reports import progress

__all__ = [
    "Caller",
    "CurrentAccessToken",
    "CurrentContext",
    "CurrentHeaders",
    "CurrentTask",
    "DeclarationError",
    "Depends",
    "File",
    "Progress",
    "Shared",
    "TaskConfig",
    "TaskConfigError",
    "TaskInfo",
    "TaskServer",
    "TokenClaim",
    "progress",
]

_HOME = {
    "Caller": "mcptasks.dependencies",
    "CurrentAccessToken": "mcptasks.dependencies",
    "CurrentContext": "mcptasks.dependencies",
    "CurrentHeaders": "mcptasks.dependencies",
    "CurrentTask": "mcptasks.dependencies",
    "DeclarationError": "mcptasks.config",
    "Depends": "mcptasks.dependencies",
    "File": "mcptasks.files",
    "Progress": "mcptasks.dependencies",
    "Shared": "mcptasks.dependencies",
    "TaskInfo": "mcptasks.dependencies",
    "TokenClaim": "mcptasks.dependencies",
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
