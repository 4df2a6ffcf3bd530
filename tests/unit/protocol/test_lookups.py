"""A call looks its component up once, whatever is asked of it on the way: in both protocol versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mcptasks.authoring.declarations import Declared
from mcptasks.model.base import JsonObject
from mcptasks.model.task import ComponentKind
from mcptasks.settings import Settings
from tests.unit.protocol.conftest import Endpoint, make_server, serving


class CountedLookups(dict[tuple[ComponentKind, str], Declared]):
    """The components of a server, which remember what was looked up."""

    def __init__(self, declared: dict[tuple[ComponentKind, str], Declared]) -> None:
        super().__init__(declared)
        self.sought: list[tuple[ComponentKind, str]] = []

    def get(self, key: tuple[ComponentKind, str], default: Any = None) -> Any:
        self.sought.append(key)
        return super().get(key, default)


@pytest.fixture(scope="module")
def counted() -> Iterator[tuple[Endpoint, CountedLookups]]:
    server = make_server()
    server.prompt("greet")(lambda name: f"Hello, {name}")
    server.resource("note://fixed", name="fixed")(lambda: "x")
    server.resource("note://{name}", name="note")(lambda name: name)
    lookups = CountedLookups(server.catalogue.declarations._declared)
    server.catalogue.declarations._declared = lookups
    with serving(Settings(), server) as endpoint:
        yield endpoint, lookups


TOOL, PROMPT = ComponentKind.TOOL, ComponentKind.PROMPT
RESOURCE, TEMPLATE = ComponentKind.RESOURCE, ComponentKind.RESOURCE_TEMPLATE
ADD: JsonObject = {"name": "add", "arguments": {"a": 1, "b": 2}}
NEVER: JsonObject = {"name": "never", "arguments": {"a": 1}}
GREET: JsonObject = {"name": "greet", "arguments": {"name": "you"}}
TASK: JsonObject = {"task": {}}


@pytest.mark.parametrize(
    ("version", "method", "params", "sought"),
    [
        ("old", "tools/call", ADD | TASK, [(TOOL, "add")]),
        ("old", "tools/call", ADD, [(TOOL, "add")]),
        ("old", "tools/call", NEVER, [(TOOL, "never")]),
        ("new", "tools/call", ADD, [(TOOL, "add")]),
        ("new", "tools/call", NEVER, [(TOOL, "never")]),
        ("old", "prompts/get", GREET | TASK, [(PROMPT, "greet")]),
        ("old", "prompts/get", GREET, [(PROMPT, "greet")]),
        ("new", "prompts/get", GREET, [(PROMPT, "greet")]),
        ("old", "resources/read", {"uri": "note://fixed"} | TASK, [(RESOURCE, "note://fixed")]),
        ("new", "resources/read", {"uri": "note://fixed"}, [(RESOURCE, "note://fixed")]),
        ("old", "resources/read", {"uri": "note://x"} | TASK, [(RESOURCE, "note://x"), (TEMPLATE, "note://{name}")]),
        ("new", "resources/read", {"uri": "note://x"}, [(RESOURCE, "note://x"), (TEMPLATE, "note://{name}")]),
    ],
)
def test_a_call_looks_its_component_up_once(
    counted: tuple[Endpoint, CountedLookups],
    version: str,
    method: str,
    params: JsonObject,
    sought: list[tuple[ComponentKind, str]],
) -> None:
    endpoint, lookups = counted
    lookups.sought.clear()
    name = str(params.get("name") or params["uri"])
    answer = endpoint.old(method, params) if version == "old" else endpoint.new(method, params, mcp_name=name)
    assert answer.result
    assert lookups.sought == sought
