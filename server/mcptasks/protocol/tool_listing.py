"""How tools are listed where they run as tasks."""

from __future__ import annotations

from mcp_types import Tool

from mcptasks.model.task_config import TaskConfig
from mcptasks.protocol.task_app import shown_as_task
from mcptasks.protocol.v2025_11_25 import tool_execution


def listed(tool: Tool, config: TaskConfig, *, task_tools: bool, warm: bool) -> Tool:
    """The tool as `tools/list` has it. The SDK leaves out what the client's protocol version does not have."""
    if not config.runs_as_task:
        return tool
    plain = config.plain_call(task_tools=task_tools, warm=warm)
    found = tool.model_copy(update={"execution": tool_execution(plain)})
    if plain != "submit":
        return found
    # A task's id is not the tool's output, and clients check an answer against the schema that was listed.
    return shown_as_task(found.model_copy(update={"output_schema": None}))
