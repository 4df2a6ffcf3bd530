"""Requests that a server sends to the client (MCP 2025-11-25): read from a stream, answered in a POST of their own."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mcptasks.client.client_errors import AnswerRefusedError, ClientError, McpError
from mcptasks.client.elicitation import RequestedInput
from mcptasks.client.protocol.follower import Hints
from mcptasks.client.protocol.input_responder import ELICITATION, InputResponder
from mcptasks.client.protocol.json_rpc import INTERNAL_ERROR, METHOD_NOT_FOUND
from mcptasks.model.base import JsonObject

logger = logging.getLogger(__name__)

RELATED_TASK_KEY = "io.modelcontextprotocol/related-task"
REMEMBERED = 1000
"""How many answers are kept for a server that asks again because it was restarted or an answer got lost."""


def related_task(params: JsonObject) -> str | None:
    """The task that a message belongs to."""
    related = (params.get("_meta") or {}).get(RELATED_TASK_KEY)
    task_id = related.get("taskId") if isinstance(related, dict) else None
    return task_id if isinstance(task_id, str) else None


@dataclass(eq=False)
class ServerRequests:
    """Answers requests in the background."""

    responder: InputResponder
    respond: Callable[[JsonObject], Awaitable[None]]
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _answers: OrderedDict[str, JsonObject] = field(default_factory=OrderedDict)

    def take(self, message: JsonObject, hints: Hints | None) -> None:
        """Begin to answer a request. Failures are told to the server and to `hints`."""
        request_id = message["id"]
        # Numbers start again in every session; an id that is text names the same question for good.
        key = request_id if isinstance(request_id, str) else f"#{request_id}"
        if key not in self._running:
            task = asyncio.create_task(self._serve(key, message, hints))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))

    async def close(self) -> None:
        """Give up what is still being answered."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _serve(self, key: str, message: JsonObject, hints: Hints | None) -> None:
        response = self._answers.get(key) or await self._answer(message, hints)
        if not key.startswith("#"):
            self._answers[key] = response
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        try:
            await self.respond({"id": message["id"], **response})
        except McpError as refusal:
            # The question stays. Whoever waits is told, and the next one to wait is asked again.
            self._answers.pop(key, None)
            if hints is None:
                logger.warning("the answer to %s was refused: %s", message.get("method"), refusal)
            else:
                hints.fail(AnswerRefusedError(refusal.code, refusal.message, refusal.data))
        except ClientError as error:
            logger.warning("the answer to %s did not reach the server: %s", message.get("method"), error)

    async def _answer(self, message: JsonObject, hints: Hints | None) -> JsonObject:
        method, params = str(message["method"]), message.get("params") or {}
        if method == "ping":
            return {"result": {}}
        if method != ELICITATION or self.responder.handler is None:
            return {"error": {"code": METHOD_NOT_FOUND, "message": f"this client does not offer {method}"}}
        task_id = related_task(params)
        try:
            result = await self.responder.answer(RequestedInput(str(message["id"]), method, params), task_id)
        except Exception as error:
            logger.exception("the handler of elicitations failed")
            if hints is not None:
                hints.fail(error)
            return {"error": {"code": INTERNAL_ERROR, "message": "the client could not answer"}}
        meta = {} if task_id is None else {"_meta": {RELATED_TASK_KEY: {"taskId": task_id}}}
        return {"result": {**result, **meta}}
