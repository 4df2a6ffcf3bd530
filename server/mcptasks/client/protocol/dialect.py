"""What the MCP client's two dialects have in common: errors, tools, task states, and what a dialect can do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from mcptasks.model.task import JsonObject, Phase
from mcptasks.protocol.versions import IDEMPOTENCY_META, PROGRESS_META

CLIENT_NAME = "mcptasks"
DEFAULT_POLL_SECONDS = 1.0
MIN_POLL_SECONDS = 0.01
"""A server that asks for polling without a pause gets this one."""

INTERNAL_ERROR = -32603
METHOD_NOT_FOUND = -32601


class ClientError(Exception):
    """A call could not be made, or its answer could not be understood. The message says why."""


class ConnectionFailedError(ClientError):
    """The server cannot be reached, or the connection broke before the answer was there. Worth trying again."""


class NotSentError(ConnectionFailedError):
    """There was no connection at all: the server has seen nothing of the request, so repeating it is safe."""


class HttpRefusedError(ClientError):
    """The server answered with an HTTP error and no JSON-RPC message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class McpError(ClientError):
    """The server answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class TaskCancelledError(ClientError):
    """The task was cancelled: there is no result."""


@dataclass(frozen=True)
class Progress:
    """How far a call is, in the tool's own unit, as far as the server tells."""

    current: float | None = None
    total: float | None = None
    message: str | None = None


ProgressCallback: TypeAlias = Callable[[Progress], Awaitable[None] | None]


@dataclass(frozen=True)
class Tool:
    """A tool as the server lists it. `task_support` is None where the protocol version does not tell."""

    name: str
    description: str = ""
    input_schema: JsonObject = field(default_factory=dict)
    output_schema: JsonObject | None = None
    task_support: Literal["forbidden", "optional", "required"] | None = None

    @classmethod
    def parse(cls, item: JsonObject) -> Tool:
        """The tool of one entry of `tools/list`."""
        return cls(
            name=item["name"],
            description=item.get("description") or "",
            input_schema=item.get("inputSchema") or {},
            output_schema=item.get("outputSchema"),
            task_support=(item.get("execution") or {}).get("taskSupport"),
        )


@dataclass(frozen=True)
class InputRequest:
    """Something that the server wants to know from the caller."""

    key: str
    method: str
    params: JsonObject = field(default_factory=dict)

    @classmethod
    def parse_all(cls, requests: object) -> tuple[InputRequest, ...]:
        """The requests of a map by key."""
        items = requests.items() if isinstance(requests, dict) else ()
        return tuple(cls(key, str(item.get("method")), item.get("params") or {}) for key, item in items)


@dataclass(frozen=True)
class TaskState:
    """A task as the server last described it, in the words of neither protocol version. Times are RFC 3339.

    `result`, `error` and `input_requests` are there only where the protocol version gives them with the state.
    """

    task_id: str
    status: Phase
    message: str | None = None
    progress: Progress | None = None
    created_at: str | None = None
    last_updated_at: str | None = None
    ttl_ms: int | None = None
    poll_interval_ms: int | None = None
    result: JsonObject | None = None
    error: McpError | None = None
    input_requests: tuple[InputRequest, ...] = ()

    @property
    def poll_seconds(self) -> float:
        """How long the server asks to wait between two polls."""
        if self.poll_interval_ms is None:
            return DEFAULT_POLL_SECONDS
        return max(self.poll_interval_ms / 1000, MIN_POLL_SECONDS)

    @property
    def visible(self) -> tuple[object, ...]:
        """What somebody who watches would call a change."""
        return self.status, self.message, self.progress


Method: TypeAlias = Literal["tools/call", "prompts/get", "resources/read"]


@dataclass(frozen=True)
class Invocation:
    """A call of a tool, prompt or resource.

    `as_task` lets it become a task where the server offers that; `ttl_ms` is asked for then. Calls with the same
    `idempotency_key` are one call, for servers that know such keys.
    """

    method: Method
    params: JsonObject = field(default_factory=dict)
    as_task: bool = True
    ttl_ms: int | None = None
    idempotency_key: str | None = None

    @property
    def name(self) -> str:
        """The tool's or prompt's name, or the resource's URI."""
        return str(self.params["uri" if self.method == "resources/read" else "name"])

    @property
    def meta(self) -> JsonObject:
        """What goes into the request's `_meta`, in every protocol version."""
        return {} if self.idempotency_key is None else {IDEMPOTENCY_META: self.idempotency_key}


Seen: TypeAlias = Callable[[TaskState], Awaitable[None]]


class Dialect(Protocol):
    """One protocol version, from the client's side."""

    version: str
    server_info: JsonObject

    async def open(self) -> None:
        """Find out whether the server speaks this version, and agree on it."""

    async def close(self) -> None:
        """Tell the server that nothing more will come, where it wants to know."""

    async def list_tools(self) -> list[Tool]:
        """All tools, page by page."""

    async def invoke(self, call: Invocation, on_progress: ProgressCallback | None) -> JsonObject | TaskState:
        """Make the call: its result, or the task that it became."""

    async def get_task(self, task_id: str) -> TaskState:
        """The task as it is now."""

    async def follow(self, task_id: str, known: TaskState | None, seen: Seen) -> TaskState:
        """Stay with a task until it has ended, and answer what it asks. Every state on the way goes to `seen`."""

    async def task_result(self, state: TaskState) -> JsonObject:
        """The result of a task that has ended. Raises McpError where the call ended with an error."""

    async def cancel_task(self, task_id: str) -> None:
        """Cancel the task."""

    async def list_tasks(self) -> list[TaskState] | None:
        """All tasks of this caller; None where the server does not offer a list."""


def parse_phase(status: object) -> Phase:
    """The phase of a status word. Raises ClientError for one that no protocol version has."""
    try:
        return Phase(str(status))
    except ValueError:
        raise ClientError(f"the server reports an unknown task status {status!r}") from None


def progress_of(item: JsonObject) -> Progress | None:
    """Progress of a task object: numbers where the server gives them, the status message in any case."""
    numbers = (item.get("_meta") or {}).get(PROGRESS_META) or {}
    message = numbers.get("message") or item.get("statusMessage")
    if not numbers and message is None:
        return None
    return Progress(numbers.get("current"), numbers.get("total"), message)


def error_of(body: JsonObject) -> McpError:
    """The exception of a JSON-RPC error object."""
    return McpError(int(body.get("code", 0)), str(body.get("message", "unknown error")), body.get("data"))
