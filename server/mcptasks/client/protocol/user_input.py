"""What a server asks of the user in the middle of a call, and the answers: the same in both protocol versions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mcptasks.client.protocol.dialect import ClientError, InputRequest
from mcptasks.model.task import JsonObject

ELICITATION = "elicitation/create"


class InputRequiredError(ClientError):
    """The call waits for an answer, and this client has nobody to ask."""

    def __init__(self, what: str, requests: tuple[InputRequest, ...]) -> None:
        asked = "; ".join(str(request.params.get("message") or request.method) for request in requests)
        super().__init__(f"{what} waits for input{f': {asked}' if asked else ''}; give the client `on_elicitation`")
        self.requests = requests


@dataclass(frozen=True)
class Elicitation:
    """A question to the user.

    Args:
        message: what is asked, for people.
        schema: JSON schema of the answer: an object of primitive properties. Empty where a URL is to be visited.
        url: the page that the user is to visit instead of answering here.
        task_id: the task that asks; None for a call that is not a task, or where the server does not tell.
    """

    message: str
    schema: JsonObject = field(default_factory=dict)
    url: str | None = None
    task_id: str | None = None


@dataclass(frozen=True)
class Reply:
    """The user's reaction: `accept` with the content, `decline`, or `cancel` (closed without choosing)."""

    action: Literal["accept", "decline", "cancel"]
    content: JsonObject | None = None


ElicitationHandler: TypeAlias = Callable[[Elicitation], Awaitable[Reply | JsonObject] | Reply | JsonObject]
"""Asks the user. An object is what a `Reply` that accepts has as content."""


@dataclass(frozen=True)
class Asker:
    """Has the user's handler answer. Handlers that are no coroutine functions run in a thread: they may block."""

    handler: ElicitationHandler | None = None

    @property
    def capabilities(self) -> JsonObject:
        """What the client declares of itself."""
        return {} if self.handler is None else {"elicitation": {"form": {}, "url": {}}}

    async def answer(self, request: InputRequest, task_id: str | None = None) -> JsonObject:
        """The `ElicitResult` of a request.

        Raises:
            InputRequiredError: there is no handler.
            ClientError: the server asks for something that was never offered.
            Whatever the handler raises.
        """
        if request.method != ELICITATION:
            raise ClientError(f"the server asks for {request.method}, which this client does not offer")
        if self.handler is None:
            raise InputRequiredError("the call" if task_id is None else f"task {task_id}", (request,))
        reply = await self._ask(self.handler, elicitation_of(request, task_id))
        if not isinstance(reply, Reply):
            reply = Reply("accept", reply)
        result: JsonObject = {"action": reply.action}
        return result if reply.content is None else {**result, "content": reply.content}

    @staticmethod
    async def _ask(handler: ElicitationHandler, question: Elicitation) -> Reply | JsonObject:
        outcome: Awaitable[Reply | JsonObject] | Reply | JsonObject
        if inspect.iscoroutinefunction(handler):
            outcome = handler(question)
        else:
            outcome = await asyncio.get_running_loop().run_in_executor(None, handler, question)
        return await outcome if inspect.isawaitable(outcome) else outcome


def elicitation_of(request: InputRequest, task_id: str | None) -> Elicitation:
    """The question of an `elicitation/create`."""
    params = request.params
    return Elicitation(
        message=str(params.get("message") or ""),
        schema=params.get("requestedSchema") or {},
        url=params.get("url"),
        task_id=task_id,
    )
