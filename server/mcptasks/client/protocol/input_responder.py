"""Answers what servers ask in the middle of a call, with the user's handler: the same in both protocol versions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from dataclasses import dataclass

from mcptasks.client.client_errors import ClientError, InputRequiredError
from mcptasks.client.elicitation import Elicitation, ElicitationHandler, Reply, RequestedInput
from mcptasks.model.base import JsonObject

ELICITATION = "elicitation/create"


@dataclass(frozen=True)
class InputResponder:
    """Calls the user's handler. A handler that is not a coroutine function runs in a thread, so that it may block."""

    handler: ElicitationHandler | None = None

    @property
    def capabilities(self) -> JsonObject:
        """What the client declares of itself."""
        return {} if self.handler is None else {"elicitation": {"form": {}, "url": {}}}

    async def answer(self, request: RequestedInput, task_id: str | None = None) -> JsonObject:
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


def elicitation_of(request: RequestedInput, task_id: str | None) -> Elicitation:
    """The question of an `elicitation/create`."""
    params = request.params
    return Elicitation(
        message=str(params.get("message") or ""),
        schema=params.get("requestedSchema") or {},
        url=params.get("url"),
        task_id=task_id,
    )
