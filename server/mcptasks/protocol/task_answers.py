"""What callers answer to the questions of their tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from mcptasks.model.questions import Answer
from mcptasks.model.task import InputRequest
from mcptasks.protocol.requests import principal_of_caller

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

T = TypeVar("T")


async def give_answers(
    service: TaskService, task_id: str, responses: Mapping[str, T], read: Callable[[InputRequest, T], Answer]
) -> None:
    """Give the caller's task those of the responses, by key, that answer what it asks now; drop the others.

    Args:
        read: gives the answer in a response to the request; may raise MCPError where there is none.

    Raises TaskNotFoundError, UnavailableServiceError.
    """

    def answers(asked: Sequence[InputRequest]) -> dict[str, Answer]:
        return {request.key: read(request, responses[request.key]) for request in asked if request.key in responses}

    await service.answer(task_id, principal_of_caller(), answers)
