"""The log of a task as a resource, for its own caller, once its attempt has ended.

Tools print what their callers are not to know. So it is only there where the settings let callers see log lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcptasks.protocol.mcp_errors import as_mcp_error
from mcptasks.protocol.requests import principal_of_caller
from mcptasks.tasks.service_errors import TaskNotFoundError

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

TASK_LOG_URI = "task://{task_id}/log"
TASK_LOG_TITLE = "A task's log"
TASK_LOG_DESCRIPTION = (
    "What a task's tool has printed, once it has ended. Of a long log the middle is left out, where a line says so."
)


class TaskLogResource:
    """Answers for the tasks of a service; where there is none, all are unknown."""

    def __init__(self) -> None:
        self.service: TaskService | None = None
        self.offered = False
        """Whether the server has the resource template already."""

    async def task_log(self, task_id: str) -> str:
        """The log's text. Raises MCPError."""
        try:
            if self.service is None:
                raise TaskNotFoundError
            return await self.service.log_text(task_id, principal_of_caller())
        except Exception as error:
            raise as_mcp_error(error) from error
