"""What a server's components say of themselves."""

from __future__ import annotations

from typing import Any

from mcptasks import TaskConfig, TaskServer
from mcptasks.model.task import ComponentKind


def config_of(mcp: TaskServer[Any], kind: ComponentKind, name: str) -> TaskConfig | None:
    """How the component runs as a task; None where there is none such."""
    target = mcp.catalogue.find(kind, name)
    return None if target is None else target.config
