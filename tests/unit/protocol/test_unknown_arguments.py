"""Names that a tool does not have are refused wherever it would run, and before it does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, AliasPath, ConfigDict, Field, ValidationError, create_model

from mcptasks import TaskServer
from mcptasks.authoring.arguments import accepted_names
from mcptasks.client import Client, ClientError, McpError, Tool
from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from tests.unit.protocol.conftest import Endpoint, serving

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


@pytest.fixture(scope="module")
def aliased() -> Iterator[Endpoint]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    @mcp.tool(task=False)
    def one(year: Annotated[int, Field(validation_alias="yearFrom")] = 0) -> int:
        return year

    @mcp.tool(task=False)
    def choice(
        year: Annotated[int, Field(validation_alias=AliasChoices("yearFrom", "from", AliasPath("range", "from")))] = 0,
    ) -> int:
        return year

    @mcp.tool(task=False)
    def path(year: Annotated[int, Field(validation_alias=AliasPath("range", 0))] = 0) -> int:
        return year

    @mcp.prompt()
    def about(year: Annotated[str, Field(validation_alias=AliasChoices("yearFrom", "from"))] = "0") -> str:
        return year

    with serving(Settings(), mcp) as served:
        yield served


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("one", {"yearFrom": 2}),
        ("choice", {"yearFrom": 2}),
        ("choice", {"from": 2}),
        ("choice", {"range": {"from": 2}}),
        ("path", {"range": [2]}),
    ],
)
def test_a_parameter_is_taken_by_its_aliases(aliased: Endpoint, tool: str, arguments: JsonObject) -> None:
    for answer in (
        aliased.old("tools/call", {"name": tool, "arguments": arguments}),
        aliased.new("tools/call", {"name": tool, "arguments": arguments}),
    ):
        assert answer.result["structuredContent"] == {"result": 2}


@pytest.mark.parametrize(
    ("tool", "takes"),
    [("one", "'yearFrom'"), ("choice", "'yearFrom', 'from', 'range'"), ("path", "'range'")],
)
@pytest.mark.parametrize("name", ["year", "yearfrom"])
def test_what_the_sdk_would_drop_is_refused(aliased: Endpoint, tool: str, takes: str, name: str) -> None:
    answer = aliased.old("tools/call", {"name": tool, "arguments": {name: 2}})
    assert answer.result["isError"] is True
    assert f"Tool '{tool}' has no '{name}': it takes {takes}" in answer.result["content"][0]["text"]


@pytest.mark.parametrize("name", ["yearFrom", "from"])
def test_so_is_one_of_a_prompt(aliased: Endpoint, name: str) -> None:
    answer = aliased.old("prompts/get", {"name": "about", "arguments": {name: "2"}})
    assert answer.result["messages"][0]["content"]["text"] == "2"


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({}, ["yearFrom"]),
        ({"populate_by_name": True}, ["yearFrom", "year"]),
        ({"validate_by_name": True}, ["yearFrom", "year"]),
        ({"validate_by_name": True, "validate_by_alias": False}, ["year"]),
    ],
)
def test_the_model_says_whether_names_count_beside_aliases(config: ConfigDict, names: list[str]) -> None:
    model = create_model("M", __config__=config, year=(int, Field(alias="yearFrom")))
    assert accepted_names(model) == names
    for name in ("year", "yearFrom"):
        if name in names:
            model.model_validate({name: 2})
        else:
            with pytest.raises(ValidationError):
                model.model_validate({name: 2})


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
