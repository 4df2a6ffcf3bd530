"""What a running component says to its client, on its way to the task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.transport_context import TransportContext
from mcp_types import INTERNAL_ERROR, ClientCapabilities
from mcp_types.version import LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS

from mcptasks.gateway.contract import Assignment
from mcptasks.model.questions import Answer, QuestionError
from mcptasks.protocol.input_requests import INPUT_METHODS, require_capability, summary


class Channel(Protocol):
    """Where a running component's progress, log messages and questions go."""

    def report(self, current: float, total: float | None, message: str | None) -> None:
        """Take a progress report from any thread; the latest one wins. Never blocks, never raises."""
        ...

    async def progress(self, current: float, total: float | None, message: str | None) -> None:
        """The same on a loop."""
        ...

    def log(self, level: str, data: object) -> None:
        """Write a log message of the component's."""
        ...

    async def ask(self, method: str, params_text: str, message: str | None) -> Answer:
        """Put a request to the caller and wait for the answer, however long it takes. Raises QuestionError."""
        ...


@dataclass(frozen=True)
class TaskDispatchContext:
    """The SDK's `DispatchContext` of a task: all that the component says to its client goes to the channel.

    `can_send_request` is what the SDK goes by when it checks the client's capabilities before it asks. In the versions
    with a handshake clients declare them once: where a client does not say so in its later requests, nobody knows them,
    and nothing is checked (`checked`).
    """

    channel: Channel
    request_id: str
    declared: ClientCapabilities | None = None
    checked: bool = False
    message_metadata: None = None
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)

    @classmethod
    def of(cls, assignment: Assignment, channel: Channel) -> TaskDispatchContext:
        request = assignment.request
        modern = (request.protocol_version or LATEST_MODERN_VERSION) in MODERN_PROTOCOL_VERSIONS
        checked = modern or request.client_capabilities is not None
        declared = ClientCapabilities.model_validate(request.client_capabilities or {}) if checked else None
        return cls(channel, assignment.task_id, declared, checked)

    @property
    def can_send_request(self) -> bool:
        return self.checked

    @property
    def transport(self) -> TransportContext:
        return TransportContext(kind="mcptasks", can_send_request=self.can_send_request)

    async def send_raw_request(self, method: str, params: Mapping[str, Any] | None, opts: Any = None) -> dict[str, Any]:
        """Ask the client, through the task, and wait for the answer.

        Raises:
            MCPError: the client cannot be asked this, or has answered with an error.
            NoBackChannelError: nobody can be asked this from a task.
        """
        if method not in INPUT_METHODS:
            raise NoBackChannelError(method)
        params = dict(params or {})
        if self.checked:
            require_capability(self.declared, method, params)
        try:
            answer = await self.channel.ask(method, json.dumps(params, ensure_ascii=False), summary(method, params))
        except QuestionError as error:
            raise MCPError(code=INTERNAL_ERROR, message=str(error)) from error
        if answer.error is not None:
            data = None if answer.error.data_text is None else json.loads(answer.error.data_text)
            raise MCPError(code=answer.error.code, message=answer.error.message, data=data)
        result: dict[str, Any] = json.loads(answer.text or "{}")
        return result

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: Any = None) -> None:
        if method == "notifications/message" and params is not None:
            self.channel.log(str(params.get("level", "info")), params.get("data"))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        await self.channel.progress(progress, total, message)
