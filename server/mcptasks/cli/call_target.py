"""What `mcptasks call` calls: a tool, a prompt or a resource, found by its name or URI."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias, Unpack
from urllib.parse import quote

from mcptasks.cli.argument_values import ArgumentError, parse_arguments
from mcptasks.cli.command_errors import usage_error
from mcptasks.client import CallOptions, Client, ListedPrompt, PromptResult, ResourceResult, Task, ToolResult
from mcptasks.model.base import JsonObject
from mcptasks.network.shown_urls import shown_url

AnyResult: TypeAlias = ToolResult | PromptResult | ResourceResult

_VARIABLE = re.compile(r"\{(\w+)\}")
"""A variable of a URI template that takes one value, the only kind that is filled in here."""


class TargetKind(StrEnum):
    """What kind of component is called."""

    TOOL = "tool"
    PROMPT = "prompt"
    RESOURCE = "resource"


@dataclass(frozen=True)
class CallTarget:
    """A component of a server, and the JSON schema of what it takes."""

    kind: TargetKind
    name: str
    schema: JsonObject = field(default_factory=dict)

    @property
    def short_name(self) -> str:
        """The name for lines of progress, and for files that have none: of a resource the URI's end."""
        return self.name.rstrip("/").rpartition("/")[2] if self.kind is TargetKind.RESOURCE else self.name

    def with_arguments(self, pairs: Sequence[str], json_text: str | None) -> tuple[CallTarget, JsonObject]:
        """The target, and the arguments to call it with. Those of a resource template become part of its URI.

        Raises ArgumentError where they cannot be read, or are not what it takes.
        """
        if self.kind is not TargetKind.RESOURCE:
            return self, parse_arguments(pairs, json_text, self.schema)
        variables = _VARIABLE.findall(self.name)
        if not variables and (pairs or json_text is not None):
            raise ArgumentError(f"the resource {self.name} takes no arguments: what it takes is in its URI")
        known = {"type": "object", "properties": {key: {"type": "string"} for key in variables}}
        arguments = parse_arguments(pairs, json_text, known) if variables else {}
        missing = [name for name in variables if name not in arguments]
        if missing:
            wanted = " ".join(f"--arg {name}=..." for name in missing)
            raise ArgumentError(f"{self.name} is a template: give {wanted}, or the URI itself")
        return replace(self, name=_VARIABLE.sub(lambda at: quote(str(arguments[at[1]]), safe=""), self.name)), {}

    async def start(self, client: Client, arguments: JsonObject, **options: Unpack[CallOptions]) -> Task[Any]:
        """Call it, as a task wherever the server offers that."""
        match self.kind:
            case TargetKind.TOOL:
                return await client.call_tool(self.name, arguments, task=True, **options)
            case TargetKind.PROMPT:
                return await client.get_prompt(self.name, arguments, task=True, **options)
            case TargetKind.RESOURCE:
                return await client.read_resource(self.name, task=True, **options)


async def find_target(client: Client, name: str, kind: TargetKind | None) -> CallTarget:
    """The component of that name, of any kind unless one is given: a tool before a prompt before a resource.

    Raises CliError where the server has none.
    """
    looked_for = [kind] if kind is not None else _kinds(name)
    known: dict[TargetKind, list[str]] = {}
    for one in looked_for:
        found = await _targets(client, one)
        # Of a template the server knows what URIs belong to it.
        if one is TargetKind.RESOURCE and "://" in name and not _VARIABLE.search(name):
            return CallTarget(one, name)
        if name in found:
            return found[name]
        known[one] = sorted(found)
    there = {one: names for one, names in known.items() if names} or {looked_for[0]: ["none"]}
    nouns = " or ".join(one.value for one in there)
    names = ", ".join(itertools.chain(*there.values()))
    raise usage_error(f"{shown_url(client.url)} has no {nouns} {name!r}; it has: {names}")


def _kinds(name: str) -> list[TargetKind]:
    return [TargetKind.TOOL, TargetKind.RESOURCE] if "://" in name else [TargetKind.TOOL, TargetKind.PROMPT]


async def _targets(client: Client, kind: TargetKind) -> dict[str, CallTarget]:
    match kind:
        case TargetKind.TOOL:
            tools = await client.list_tools()
            return {tool.name: CallTarget(kind, tool.name, tool.input_schema) for tool in tools}
        case TargetKind.PROMPT:
            prompts = await client.list_prompts()
            return {prompt.name: CallTarget(kind, prompt.name, prompt_schema(prompt)) for prompt in prompts}
        case TargetKind.RESOURCE:
            resources = [*await client.list_resources(), *await client.list_resource_templates()]
            return {resource.uri: CallTarget(kind, resource.uri) for resource in resources}


def prompt_schema(prompt: ListedPrompt) -> JsonObject:
    """The JSON schema of what a prompt takes: text."""
    return {
        "type": "object",
        "properties": {argument["name"]: {"type": "string"} for argument in prompt.arguments},
        "required": [argument["name"] for argument in prompt.arguments if argument.get("required")],
        "additionalProperties": False,
    }


def blocks_of(result: AnyResult) -> list[JsonObject]:
    """The content blocks of a result; of a prompt those of its messages, of a resource one for each of its contents."""
    match result:
        case ToolResult():
            return result.content
        case PromptResult():
            contents = [message.get("content") or {} for message in result.messages]
            return [block for content in contents for block in (content if isinstance(content, list) else [content])]
        case ResourceResult():
            return [{"type": "resource", "resource": item} for item in result.contents]
