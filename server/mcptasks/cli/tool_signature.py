"""A server's components in the terminal: what each takes, what it does, and how to call it."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import textwrap
from collections.abc import Iterable
from typing import TypeAlias

from mcptasks.cli.schema_types import choices_of, short_type
from mcptasks.client import ListedPrompt, ListedResource, Tool
from mcptasks.model.base import JsonObject

INDENT = "    "

EXAMPLES = {"integer": "1", "number": "1", "boolean": "true", "array": "[]", "object": "{}"}
"""Values that a tool takes at least in form, by type; of texts nobody can say."""

_VARIABLE = re.compile(r"\{(\w+)\}")


Listed: TypeAlias = Tool | ListedPrompt | ListedResource


def component_text(component: Listed, width: int) -> str:
    """The component's signature, and its description below, in lines of at most the width where words allow."""
    lines = signature(component, width).split("\n")
    for paragraph in component.description.strip().split("\n\n"):
        lines += [INDENT + line for line in _wrapped(" ".join(paragraph.split()), width - len(INDENT))]
    return "\n".join(lines)


def signature(component: Listed, width: int) -> str:
    """The component's name and what it takes, in lines of at most the width where words allow."""
    match component:
        case Tool():
            text = f"{component.name}({', '.join(_parameters(component.input_schema))})"
        case ListedPrompt():
            names = (f"{at['name']}{'' if at.get('required') else ' = ...'}" for at in component.arguments)
            text = f"{component.name}({', '.join(names)})"
        case ListedResource():
            text = component.uri
    return "\n".join(_wrapped(text, width, INDENT * 2))


def call_line(url: str, component: Listed) -> str:
    """A command line that calls the component, with a place for each argument that it needs."""
    words = ["mcptasks", "call", url]
    match component:
        case Tool():
            return shlex.join([*words, component.name, *_arguments(component)])
        case ListedPrompt():
            return shlex.join(
                [*words, component.name, *_places(at["name"] for at in component.arguments if at.get("required"))]
            )
        case ListedResource():
            return shlex.join([*words, component.uri, *_places(_VARIABLE.findall(component.uri))])


def _places(names: Iterable[str]) -> Iterable[str]:
    return itertools.chain(*(("--arg", f"{name}=...") for name in names))


def _arguments(tool: Tool) -> list[str]:
    words: list[str] = []
    properties = tool.input_schema.get("properties") or {}
    for name in tool.input_schema.get("required") or ():
        schema = properties.get(name)
        words += ["--arg", f"{name}={_example(schema if isinstance(schema, dict) else {}, tool.input_schema)}"]
    return words


def _example(schema: JsonObject, root: JsonObject) -> str:
    choices = choices_of(schema, root)
    if choices:
        return choices[0] if isinstance(choices[0], str) else json.dumps(choices[0])
    return EXAMPLES.get(short_type(schema, root).split(" ", maxsplit=1)[0], "...")


def _parameters(schema: JsonObject) -> Iterable[str]:
    required = schema.get("required") or ()
    for name, given in (schema.get("properties") or {}).items():
        described = given if isinstance(given, dict) else {}
        kind = short_type(described, schema)
        default = json.dumps(described["default"], ensure_ascii=False) if "default" in described else "..."
        yield f"{name}{f': {kind}' if kind else ''}{'' if name in required else f' = {default}'}"


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, max(width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
