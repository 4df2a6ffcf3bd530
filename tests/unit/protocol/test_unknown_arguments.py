"""Names that a tool does not have are refused wherever it would run, and before it does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcptasks.client import Client, ClientError, McpError, Tool
from mcptasks.model.base import JsonObject
from tests.unit.protocol.conftest import Endpoint

MISSPELT: JsonObject = {"name": "add", "arguments": {"a": 1, "b": 2, "c": 3}}
MESSAGE = "Tool 'add' has no 'c': it takes 'a', 'b'"


def test_a_task_is_refused_with_the_names_that_there_are(endpoint: Endpoint) -> None:
    writes = endpoint.tasks.writes
    error = endpoint.old("tools/call", {**MISSPELT, "task": {}}).error
    assert (error["code"], error["message"]) == (-32602, MESSAGE)
    assert endpoint.tasks.writes == writes


@pytest.mark.parametrize("extension", [True, False])
def test_any_other_call_has_the_error_as_its_result(endpoint: Endpoint, extension: bool) -> None:
    writes = endpoint.tasks.writes
    for answer in (endpoint.old("tools/call", MISSPELT), endpoint.new("tools/call", MISSPELT, extension=extension)):
        assert answer.result["isError"] is True
        assert MESSAGE in answer.result["content"][0]["text"]
    assert endpoint.tasks.writes == writes


@pytest.mark.parametrize("tool", ["never", "must"])
def test_it_is_the_same_for_tools_that_never_or_always_are_tasks(endpoint: Endpoint, tool: str) -> None:
    message = endpoint.new("tools/call", {"name": tool, "arguments": {"a": 1, "A": 1}}).message
    assert f"Tool '{tool}' has no 'A': it takes 'a'" in str(message)


def test_the_client_hears_of_it(endpoint: Endpoint) -> None:
    async def call(**options: Any) -> object:
        async with Client(endpoint.url, protocol="2025-11-25") as client:
            return await client.call_tool("add", MISSPELT["arguments"], **options)

    with pytest.raises(McpError, match="has no 'c'"):
        asyncio.run(call())


@pytest.mark.parametrize(
    ("schema", "unknown"),
    [
        ({"properties": {"limit": {}}, "additionalProperties": False}, ["limt"]),
        ({"additionalProperties": False}, ["limt"]),
        ({"properties": {"limt": {}}, "additionalProperties": False}, []),
        ({"properties": {"limit": {}}}, []),
        ({"properties": {"limit": {}}, "additionalProperties": {"type": "integer"}}, []),
        ({"additionalProperties": False, "patternProperties": {"^l": {}}}, []),
        ({}, []),
    ],
)
def test_a_schema_that_is_closed_tells_what_is_unknown(schema: JsonObject, unknown: list[str]) -> None:
    assert Tool("t", input_schema=schema).unknown_arguments({"limt": 3}) == unknown


def test_the_hint_at_the_path_comes_from_the_server_and_from_the_client(endpoint: Endpoint) -> None:
    async def connect(url: str) -> None:
        async with Client(url):
            pass

    for path in ("/", "/nowhere"):
        with pytest.raises(ClientError, match=r"Not Found: the MCP endpoint is at /mcp"):
            asyncio.run(connect(endpoint.url.removesuffix("/mcp") + path))
