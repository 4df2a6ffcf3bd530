"""A page for clients with MCP Apps: how far a task is, what it has said, its result, and a button that ends it.

It goes with the task tools, so that clients with Apps have it whether they know tasks or not. It calls nothing but
these tools, through its host. https://modelcontextprotocol.io/specification/draft/extensions/apps
"""

from __future__ import annotations

from importlib.resources import files

from mcp.server.apps import APP_MIME_TYPE
from mcp.server.mcpserver.resources import TextResource
from mcp_types import Tool

from mcptasks.model.base import JsonObject

TASK_APP_URI = "ui://mcptasks/task"
UI = "ui"
"""Key of `_meta` by which tools and resources speak of their pages."""


def task_app() -> TextResource:
    """The page as a resource. It needs nothing from elsewhere, so hosts give it their strictest policy."""
    return TextResource(
        uri=TASK_APP_URI,
        name="task",
        title="A task",
        description="Shows how far a task is and what it has said, and can end it.",
        mime_type=APP_MIME_TYPE,
        meta={UI: {"prefersBorder": True}},
        text=files("mcptasks.protocol").joinpath("pages", "task.html").read_text(encoding="utf-8"),
    )


def shown_as_task(tool: Tool) -> Tool:
    """The tool, whose answers name a task, with the page that shows it. One that has a page of its own keeps that."""
    meta: JsonObject = tool.meta or {}
    return tool if UI in meta else tool.model_copy(update={"meta": {**meta, UI: {"resourceUri": TASK_APP_URI}}})
