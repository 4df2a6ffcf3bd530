"""One component run twice: by the server itself, and as the runner in a Job runs it; both answers in one form.

The answer is JSON text of what a client of the given protocol version gets: `{"result": ...}` or `{"error": ...}`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.connection import Connection
from mcp.server.runner import modern_error_data, serve_one
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types import INTERNAL_ERROR
from mcp_types import methods as mcp_methods
from pydantic import ValidationError
from starlette.requests import Request as HttpRequest

from mcptasks import TaskServer
from mcptasks.gateway.contract import Assignment, ErrorOutcome, Outcome, ResultOutcome
from mcptasks.model.base import JsonObject
from mcptasks.model.questions import Answer, QuestionError
from mcptasks.model.task import Component, Principal, Request
from mcptasks.protocol.component_methods import METHOD_OF_KIND, request_params
from mcptasks.protocol.requests import principal_of_caller
from mcptasks.protocol.task_json import INVALID_RESULT
from mcptasks.runner.dispatch_context import TaskDispatchContext
from mcptasks.runner.execution import ComponentExecution
from mcptasks.runner.loop_thread import LoopThread
from mcptasks.runner.main_thread import run_component
from mcptasks.runner.signals import Termination
from mcptasks.settings import Settings
from tests.support.fake_gateway import an_assignment

OLD = "2025-11-25"


@dataclass
class RecordingChannel:
    """A channel that remembers what it was told."""

    progressed: list[tuple[float, float | None, str | None]] = field(default_factory=list)
    logged: list[tuple[str, object]] = field(default_factory=list)

    def report(self, current: float, total: float | None, message: str | None) -> None:
        self.progressed.append((current, total, message))

    async def progress(self, current: float, total: float | None, message: str | None) -> None:
        self.progressed.append((current, total, message))

    def log(self, level: str, data: object) -> None:
        self.logged.append((level, data))

    async def ask(self, method: str, params_text: str, message: str | None) -> Answer:
        raise QuestionError(f"nobody is here to answer {method}")


@dataclass(frozen=True)
class ComponentCall:
    """A request for a component: whoever presents the token makes it, with these HTTP headers."""

    component: Component
    arguments: JsonObject = field(default_factory=dict)
    token: AccessToken | None = None
    headers: dict[str, str] = field(default_factory=dict)
    version: str = OLD

    @property
    def method(self) -> str:
        return METHOD_OF_KIND[self.component.kind]


@dataclass(frozen=True)
class _WithRequest(TaskDispatchContext):
    """The dispatch context of an HTTP request."""

    message_metadata: Any = None


def inline(server: TaskServer[Any], call: ComponentCall, heard: RecordingChannel | None = None) -> str:
    """What the server itself answers."""
    return asyncio.run(_inline(server, call, heard or RecordingChannel()))


async def _inline(server: TaskServer[Any], call: ComponentCall, heard: RecordingChannel) -> str:
    params = request_params(call.component.kind, call.component.name, call.arguments)
    params["_meta"] = {
        "io.modelcontextprotocol/logLevel": "debug",
        "io.modelcontextprotocol/protocolVersion": call.version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }
    headers = [(name.encode(), value.encode()) for name, value in call.headers.items()]
    http = HttpRequest({"type": "http", "headers": headers})
    dispatch = _WithRequest(heard, "request-1", message_metadata=ServerMessageMetadata(request_context=http))
    auth_context_var.set(None if call.token is None else AuthenticatedUser(call.token))
    try:
        async with server.components.lifespan() as state:
            result = await serve_one(
                server._lowlevel_server,
                dispatch,
                call.method,
                params,
                connection=Connection.from_envelope(call.version, None, {}),
                lifespan_state=state,
            )
    except MCPError as error:
        return _error(error.error.code, error.error.message, error.error.data)
    except Exception as error:  # noqa: BLE001 - what the SDK's own edge does with it
        hidden = modern_error_data(error)
        return _error(hidden.code, hidden.message, None)
    return _text({"result": result})


def in_job(server: TaskServer[Any], call: ComponentCall, heard: RecordingChannel | None = None) -> str:
    """What a task comes to, as a client reads it. The server runs in Jobs only from then on."""
    return answer_of(outcome_in_job(server, assignment_of(call), heard), call)


def answer_of(outcome: Outcome, call: ComponentCall) -> str:
    """What a client reads of the outcome."""
    if isinstance(outcome, ErrorOutcome):
        data = None if outcome.data_text is None else json.loads(outcome.data_text)
        return _error(outcome.code, outcome.message, data)
    assert isinstance(outcome, ResultOutcome), outcome
    stored = {"resultType": "complete", **json.loads(outcome.text)}
    try:
        return _text({"result": mcp_methods.serialize_server_result(call.method, call.version, stored)})
    except ValidationError:
        return _error(INTERNAL_ERROR, INVALID_RESULT, None)


def assignment_of(call: ComponentCall) -> Assignment:
    """What the gateway would hand to the runner."""
    return an_assignment(
        "",
        json.dumps(call.arguments),
        component=call.component,
        principal=_principal(call.token),
        request=Request(protocol_version=call.version, headers=call.headers or None),
        show_exceptions=Settings().show_exceptions,
    )


def outcome_in_job(server: TaskServer[Any], assignment: Assignment, heard: RecordingChannel | None = None) -> Outcome:
    """Run it as the runner's process does: synchronous functions in this thread, all else on a loop."""
    execution = ComponentExecution.of(server.components, assignment, heard or RecordingChannel())
    with LoopThread() as loop_thread:
        return run_component(execution, loop_thread, Termination())


def _principal(token: AccessToken | None) -> Principal | None:
    before = auth_context_var.set(None if token is None else AuthenticatedUser(token))
    try:
        return principal_of_caller(Settings().forward_claims)
    finally:
        auth_context_var.reset(before)


def _error(code: int, message: str, data: object) -> str:
    return _text({"error": {"code": code, "message": message, "data": data}})


def _text(answer: JsonObject) -> str:
    # The server names itself in answers of the newer version, and tasks/get does so around the result.
    meta = answer.get("result", {}).get("_meta", {})
    meta.pop("io.modelcontextprotocol/serverInfo", None)
    if not meta:
        answer.get("result", {}).pop("_meta", None)
    return json.dumps(answer, ensure_ascii=False)
