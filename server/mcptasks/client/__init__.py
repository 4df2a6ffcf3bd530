"""An MCP client for tasks over Streamable HTTP, in both protocol versions.

async with Client("http://127.0.0.1:8000/mcp") as client:
    task = await client.call_tool("report", {"top": 5}, task=True)
    result = await task.result()

`SyncClient` is the same for scripts without an event loop.
"""

from __future__ import annotations

from mcptasks.client.call_results import PromptResult, ResourceResult, ToolError, ToolResult
from mcptasks.client.client import Client
from mcptasks.client.handles import PromptTask, ResourceTask, Task, ToolTask
from mcptasks.client.options import CallOptions
from mcptasks.client.protocol.dialect import (
    ClientError,
    ConnectionFailedError,
    HttpRefusedError,
    InputRequest,
    McpError,
    Progress,
    ProgressCallback,
    TaskCancelledError,
    TaskState,
    Tool,
)
from mcptasks.client.protocol.user_input import Elicitation, ElicitationHandler, InputRequiredError, Reply
from mcptasks.client.sync import SyncClient, SyncTask
from mcptasks.client.task_observer import StatusCallback
from mcptasks.protocol.versions import ProtocolChoice

__all__ = [
    "CallOptions",
    "Client",
    "ClientError",
    "ConnectionFailedError",
    "Elicitation",
    "ElicitationHandler",
    "HttpRefusedError",
    "InputRequest",
    "InputRequiredError",
    "McpError",
    "Progress",
    "ProgressCallback",
    "PromptResult",
    "PromptTask",
    "ProtocolChoice",
    "Reply",
    "ResourceResult",
    "ResourceTask",
    "StatusCallback",
    "SyncClient",
    "SyncTask",
    "Task",
    "TaskCancelledError",
    "TaskState",
    "Tool",
    "ToolError",
    "ToolResult",
    "ToolTask",
]
