"""How tools are listed where they run as tasks."""

from __future__ import annotations

from typing import Literal

from mcp_types import Tool, ToolExecution

from mcptasks.model.task_config import TaskConfig


def listed(tool: Tool, config: TaskConfig, *, task_tools: bool) -> Tool:
    """The tool with `execution.taskSupport`, which one protocol version shows and the other leaves out."""
    if not config.runs_as_task:
        return tool
    plain = config.plain_call(task_tools=task_tools)
    support: Literal["required", "optional"] = "required" if plain == "refuse" else "optional"
    update: dict[str, object] = {"execution": ToolExecution(task_support=support)}
    if plain == "submit":
        # A task's id is no output of the tool, and clients check an answer against what was announced.
        update["output_schema"] = None
    return tool.model_copy(update=update)
