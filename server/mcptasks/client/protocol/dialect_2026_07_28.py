"""The client's side of MCP 2026-07-28: self-contained requests, and the tasks extension (SEP-2663)."""

from __future__ import annotations

import base64
import re
import uuid
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial

from mcptasks.client.client_errors import (
    AnswerRefusedError,
    ClientError,
    InputRequiredError,
    McpError,
    TaskCancelledError,
)
from mcptasks.client.elicitation import RequestedInput
from mcptasks.client.protocol.dialect import CLIENT_NAME, Invocation, OnState, Tool
from mcptasks.client.protocol.follower import Follower, Hints
from mcptasks.client.protocol.input_responder import InputResponder
from mcptasks.client.protocol.json_rpc import METHOD_NOT_FOUND, error_of
from mcptasks.client.protocol.paging import all_pages
from mcptasks.client.protocol.retry import retry
from mcptasks.client.protocol.streamable_http import HttpTransport, OnMessage
from mcptasks.client.protocol.task_fields import progress_in, task_state
from mcptasks.client.task_state import ProgressCallback, TaskState, report_progress
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase

VERSION = "2026-07-28"
TASKS_EXTENSION = "io.modelcontextprotocol/tasks"
META = "io.modelcontextprotocol/"

UNSUPPORTED_VERSION = -32022
MODERN_ERRORS = frozenset({-32020, -32021, UNSUPPORTED_VERSION})
"""Errors that only a server of this era gives: not a reason to try the older one, except for a refused version."""

MAX_ROUNDS = 32
"""How often a call may ask before it runs."""

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
TASK_CHANGED = "notifications/tasks"

_PLAIN_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class _NotSubscribedError(ClientError):
    """Ends a stream on which the server does not tell of this task's changes."""


@dataclass
class StatelessDialect:
    """Speaks 2026-07-28. Every request says what the client can do; only the server decides what becomes a task."""

    transport: HttpTransport
    client_version: str
    responder: InputResponder = field(default_factory=InputResponder)
    version: str = VERSION
    server_info: JsonObject = field(default_factory=dict)
    _sends_task_notifications: bool = True
    """False once the server has shown that it sends no notifications about tasks."""

    _answers: dict[str, dict[str, JsonObject]] = field(default_factory=lambda: defaultdict(dict))
    """The answers given so far, by task and key: the specification says that nobody SHOULD be asked the same twice."""

    async def open(self) -> None:
        """`server/discover`: the version has no handshake, but this tells an older server apart at once."""
        result = await self._request("server/discover", {})
        supported = result.get("supportedVersions") or []
        if VERSION not in supported:
            raise ClientError(f"the server does not speak MCP {VERSION}; it offers {', '.join(supported) or 'nothing'}")
        self.server_info = (result.get("_meta") or {}).get(f"{META}serverInfo") or {}

    async def close(self) -> None:
        """Nothing to end: there are no sessions."""

    async def list_tools(self) -> list[Tool]:
        return [Tool.parse(item) for item in await self.list_items("tools/list", "tools")]

    async def list_items(self, method: str, key: str) -> list[JsonObject]:
        return await all_pages(partial(self._request, method), key)

    async def invoke(self, call: Invocation, on_progress: ProgressCallback | None) -> JsonObject | TaskState:
        params = call.params
        for _ in range(MAX_ROUNDS):
            result = await self._request(
                call.method,
                params,
                name=call.name,
                as_task=call.as_task,
                meta=call.meta,
                on_progress=on_progress,
            )
            match result.get("resultType", "complete"):
                case "complete":
                    return result
                case "task" if call.method == "tools/call":
                    return _state(result)
                case "input_required":
                    params = {**call.params, **await self._inputs(result)}
                case other:
                    raise ClientError(f"the server answered with a result of the unknown type {other!r}")
        raise ClientError(f"{call.name} has asked for input {MAX_ROUNDS} times: this does not seem to end")

    async def _inputs(self, result: JsonObject) -> JsonObject:
        """Further params of a call's next round: the answers, and the server's own state unchanged."""
        requests = RequestedInput.parse_all(result.get("inputRequests"))
        if not requests and "requestState" not in result:
            raise ClientError("the server asks for input, but does not say for what")
        if self.responder.handler is None and requests:
            raise InputRequiredError("the call", requests)
        params: JsonObject = {"inputResponses": {item.key: await self.responder.answer(item) for item in requests}}
        return params if "requestState" not in result else {**params, "requestState": result["requestState"]}

    async def get_task(self, task_id: str) -> TaskState:
        return _state(await self._request("tasks/get", {"taskId": task_id}, name=task_id))

    async def follow(self, task_id: str, known: TaskState | None, on_state: OnState) -> TaskState:
        follower = Follower(
            get=lambda: self.get_task(task_id),
            listen=(lambda hints: self._listen(task_id, hints)) if self._sends_task_notifications else None,
            answer=self._answer if self.responder.handler is not None else None,
        )
        ended = await follower.run(known, on_state)
        self._answers.pop(task_id, None)
        return ended

    async def _listen(self, task_id: str, hints: Hints) -> bool:
        """`subscriptions/listen` for one task. The first message tells whether the server takes part."""

        async def on_message(message: JsonObject) -> None:
            params = message.get("params") or {}
            if message.get("method") == ACKNOWLEDGED:
                accepted = (params.get("notifications") or {}).get("taskIds")
                self._sends_task_notifications = accepted is not None
                if task_id not in (accepted or ()):
                    raise _NotSubscribedError
                hints.telling = True
                # Nobody was told what happened between the last poll and now.
                hints.wake()
            elif message.get("method") == TASK_CHANGED and params.get("taskId") == task_id:
                hints.tell(_state(params))

        try:
            await self._request(
                "subscriptions/listen", {"notifications": {"taskIds": [task_id]}}, on_message=on_message
            )
        except _NotSubscribedError:
            return False
        except McpError as error:
            if error.code == METHOD_NOT_FOUND:
                self._sends_task_notifications = False
            raise
        return True

    async def _answer(self, state: TaskState) -> bool:
        """Answer what is outstanding, one question after the other; each answer goes out at once."""
        answered = self._answers[state.task_id]
        unanswered = [request for request in state.input_requests if request.key not in answered]
        for request in unanswered:
            response = await self.responder.answer(request, state.task_id)
            answered[request.key] = response
            try:
                await retry(partial(self._update, state.task_id, {request.key: response}))
            except McpError as error:
                del answered[request.key]  # The question stays, and whoever waits next is asked again.
                raise AnswerRefusedError(error.code, error.message, error.data) from error
        return bool(unanswered)

    async def _update(self, task_id: str, responses: JsonObject) -> None:
        await self._request("tasks/update", {"taskId": task_id, "inputResponses": responses}, name=task_id)

    async def task_result(self, state: TaskState) -> JsonObject:
        if state.status is Phase.CANCELLED:
            raise TaskCancelledError(state.message or f"task {state.task_id} was cancelled")
        if state.error is not None:
            raise state.error
        if state.result is None:
            # A task may be born terminal; then its result comes with the first poll.
            state = await self.get_task(state.task_id)
        if state.error is not None:
            raise state.error
        if state.result is None:
            raise ClientError(f"task {state.task_id} is {state.status} but the server gave no result")
        return state.result

    async def cancel_task(self, task_id: str) -> None:
        await self._request("tasks/cancel", {"taskId": task_id}, name=task_id)

    async def list_tasks(self) -> list[TaskState] | None:
        return None

    async def _request(
        self,
        method: str,
        params: JsonObject,
        *,
        name: str | None = None,
        as_task: bool = True,
        meta: JsonObject | None = None,
        on_progress: ProgressCallback | None = None,
        on_message: OnMessage | None = None,
    ) -> JsonObject:
        headers = {"MCP-Protocol-Version": VERSION, "Mcp-Method": method}
        if name is not None:
            headers["Mcp-Name"] = header_value(name)
        meta = {**(meta or {}), **self._meta(as_task)}
        if on_progress is not None:
            meta["progressToken"] = uuid.uuid4().hex
            on_message = _reporting(on_progress)
        answer = await self.transport.request(method, {**params, "_meta": meta}, headers, on_message)
        return answer.result

    def _meta(self, as_task: bool) -> JsonObject:
        extensions: JsonObject = {"extensions": {TASKS_EXTENSION: {}}} if as_task else {}
        return {
            f"{META}protocolVersion": VERSION,
            f"{META}clientInfo": {"name": CLIENT_NAME, "version": self.client_version},
            f"{META}clientCapabilities": {**self.responder.capabilities, **extensions},
        }


def _reporting(on_progress: ProgressCallback) -> OnMessage:
    async def on_message(message: JsonObject) -> None:
        if (progress := progress_in(message)) is not None:
            await report_progress(on_progress, progress)

    return on_message


def header_value(text: str) -> str:
    """The text as the value of `Mcp-Name`: itself where it is plain ASCII, otherwise in Base64 with the sentinel."""
    if _PLAIN_HEADER.fullmatch(text) and not text.startswith("=?base64?"):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def _state(item: JsonObject) -> TaskState:
    error = item.get("error")
    return replace(
        task_state(item, ttl_ms=item.get("ttlMs"), poll_interval_ms=item.get("pollIntervalMs")),
        result=item.get("result"),
        error=error_of(error) if isinstance(error, dict) else None,
        input_requests=RequestedInput.parse_all(item.get("inputRequests")),
    )
