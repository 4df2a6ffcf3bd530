"""Run long MCP tool calls as Kubernetes Jobs: `from mcptasks import TaskServer, TaskConfig, progress`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context

    from mcptasks.authoring.dependencies import (
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
    from mcptasks.authoring.files import File
    from mcptasks.authoring.progress import progress
    from mcptasks.authoring.task_server import TaskServer
    from mcptasks.model.task_config import DeclarationError, TaskConfig, TaskConfigError

__all__ = [
    "Caller",
    "Context",
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
    "Caller": "mcptasks.authoring.dependencies",
    "Context": "mcp.server.mcpserver",
    "CurrentAccessToken": "mcptasks.authoring.dependencies",
    "CurrentContext": "mcptasks.authoring.dependencies",
    "CurrentHeaders": "mcptasks.authoring.dependencies",
    "CurrentTask": "mcptasks.authoring.dependencies",
    "DeclarationError": "mcptasks.model.task_config",
    "Depends": "mcptasks.authoring.dependencies",
    "File": "mcptasks.authoring.files",
    "Progress": "mcptasks.authoring.dependencies",
    "Shared": "mcptasks.authoring.dependencies",
    "TaskInfo": "mcptasks.authoring.dependencies",
    "TokenClaim": "mcptasks.authoring.dependencies",
    "TaskConfig": "mcptasks.model.task_config",
    "TaskConfigError": "mcptasks.model.task_config",
    "TaskServer": "mcptasks.authoring.task_server",
    "progress": "mcptasks.authoring.progress",
}


def __getattr__(name: str) -> object:
    # Imported on first use: the operator and most commands never need the MCP SDK, which takes a second to import.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcptasks", "mcp"):
            raise
        raise ImportError(f"mcptasks-client has no {name}: install `mcptasks`, which has everything") from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
