"""What a dialect can do: the calls that a client makes, without what one protocol version spells its own way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from mcptasks.client.task_state import ProgressCallback, TaskState
from mcptasks.model.base import JsonObject
from mcptasks.protocol.versions import IDEMPOTENCY_META

CLIENT_NAME = "mcptasks"


@dataclass(frozen=True)
class Tool:
    """A tool as the server lists it, unchanged in `raw`. `task_support` is None where the version does not tell."""

    name: str
    description: str = ""
    input_schema: JsonObject = field(default_factory=dict)
    output_schema: JsonObject | None = None
    task_support: Literal["forbidden", "optional", "required"] | None = None
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, item: JsonObject) -> Tool:
        """The tool of one entry of `tools/list`."""
        return cls(
            name=item["name"],
            description=item.get("description") or "",
            input_schema=item.get("inputSchema") or {},
            output_schema=item.get("outputSchema"),
            task_support=(item.get("execution") or {}).get("taskSupport"),
            raw=item,
        )

    @property
    def may_run_as_task(self) -> bool:
        """Whether a call of it may become a task, as far as the version tells."""
        return self.task_support != "forbidden"

    def unknown_arguments(self, arguments: JsonObject) -> list[str]:
        """Names among the arguments that the tool's schema rules out.

        By JSON Schema an object is open unless it says otherwise; then the server decides.
        """
        if self.input_schema.get("additionalProperties", True) is not False or "patternProperties" in self.input_schema:
            return []
        return sorted(arguments.keys() - (self.input_schema.get("properties") or {}).keys())


@dataclass(frozen=True)
class ListedPrompt:
    """A prompt as the server lists it, unchanged in `raw`. Its arguments are text; each has a `name`."""

    name: str
    description: str = ""
    arguments: tuple[JsonObject, ...] = ()
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, item: JsonObject) -> ListedPrompt:
        """The prompt of one entry of `prompts/list`."""
        return cls(item["name"], item.get("description") or "", tuple(item.get("arguments") or ()), item)


@dataclass(frozen=True)
class ListedResource:
    """A resource or resource template as the server lists it, unchanged in `raw`. A template's URI has variables."""

    uri: str
    name: str = ""
    description: str = ""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, item: JsonObject) -> ListedResource:
        """The resource of one entry of `resources/list` or `resources/templates/list`."""
        uri = item["uriTemplate"] if "uriTemplate" in item else item["uri"]
        return cls(uri, item.get("name") or "", item.get("description") or "", item)


Method: TypeAlias = Literal["tools/call", "prompts/get", "resources/read"]


@dataclass(frozen=True)
class Invocation:
    """A call of a tool, prompt or resource.

    `as_task` lets it become a task where the server offers that; `ttl_ms` is asked for then. Calls with the same
    `idempotency_key` are one call, for servers that know such keys. `trace` is the span that the call belongs to, as
    W3C Trace Context (SEP-414).
    """

    method: Method
    params: JsonObject = field(default_factory=dict)
    as_task: bool = True
    ttl_ms: int | None = None
    idempotency_key: str | None = None
    trace: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The tool's or prompt's name, or the resource's URI."""
        return str(self.params["uri" if self.method == "resources/read" else "name"])

    @property
    def meta(self) -> JsonObject:
        """What goes into the request's `_meta`, in every protocol version."""
        key = {} if self.idempotency_key is None else {IDEMPOTENCY_META: self.idempotency_key}
        return {**self.trace, **key}


OnState: TypeAlias = Callable[[TaskState], Awaitable[None]]


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

    async def list_items(self, method: str, key: str) -> list[JsonObject]:
        """All items of another list, page by page. Raises McpError where the server has no such list."""

    async def invoke(self, call: Invocation, on_progress: ProgressCallback | None) -> JsonObject | TaskState:
        """Make the call: its result, or the task that it became."""

    async def get_task(self, task_id: str) -> TaskState:
        """The task as it is now."""

    async def follow(self, task_id: str, known: TaskState | None, on_state: OnState) -> TaskState:
        """Stay with a task until it has ended, and answer what it asks. Every state on the way goes to `on_state`."""

    async def task_result(self, state: TaskState) -> JsonObject:
        """The result of a task that has ended. Raises McpError where the call ended with an error."""

    async def cancel_task(self, task_id: str) -> None:
        """Cancel the task."""

    async def list_tasks(self) -> list[TaskState] | None:
        """All tasks of this caller; None where the server does not offer a list."""
