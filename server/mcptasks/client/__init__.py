"""An MCP client for tasks over Streamable HTTP, in both protocol versions.

async with Client("http://127.0.0.1:8000/mcp") as client:
    task = await client.call_tool("report", {"top": 5}, task=True)
    result = await task.result()

`SyncClient` is the same for scripts without an event loop.
"""

from __future__ import annotations

from mcptasks.client.call_options import CallOptions
from mcptasks.client.call_results import PromptResult, ResourceResult, ResultPiece, ToolError, ToolResult
from mcptasks.client.client import Client
from mcptasks.client.client_errors import (
    AnswerRefusedError,
    ClientError,
    ConnectionFailedError,
    HttpRefusedError,
    InputRequiredError,
    McpError,
    TaskCancelledError,
)
from mcptasks.client.elicitation import Elicitation, ElicitationHandler, Reply, RequestedInput
from mcptasks.client.protocol.dialect import ListedPrompt, ListedResource, Tool
from mcptasks.client.sync_client import SyncClient, SyncTask
from mcptasks.client.task_handles import PromptTask, ResourceTask, Task, ToolTask
from mcptasks.client.task_observer import StatusCallback
from mcptasks.client.task_state import CallProgress, ProgressCallback, TaskState
from mcptasks.protocol.versions import ProtocolChoice

__all__ = [
    "AnswerRefusedError",
    "CallOptions",
    "CallProgress",
    "Client",
    "ClientError",
    "ConnectionFailedError",
    "Elicitation",
    "ElicitationHandler",
    "HttpRefusedError",
    "InputRequiredError",
    "ListedPrompt",
    "ListedResource",
    "McpError",
    "ProgressCallback",
    "PromptResult",
    "PromptTask",
    "ProtocolChoice",
    "Reply",
    "RequestedInput",
    "ResourceResult",
    "ResourceTask",
    "ResultPiece",
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
