"""Dependencies are not for callers to see or to give."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve

from mcptasks import (
    Depends,
    TaskServer,
)
from mcptasks.gateway.contract import FailureOutcome
from mcptasks.model.base import JsonObject
from mcptasks.model.task import ComponentKind, Reason
from tests.support.inline_and_job import assignment_of, outcome_in_job
from tests.unit.authoring.dependency_functions import (
    LOG,
    PLACES,
    Run,
    call,
    generated,
    plain,
    server_with,
)

ATTEMPTS = [
    (ComponentKind.TOOL, "db", {"x": 1, "db": "EVIL"}),
    (ComponentKind.TOOL, "ctx", {"x": 1, "ctx": "EVIL"}),
    (ComponentKind.TOOL, "resolved", {"x": 1, "resolved": "EVIL"}),
    (ComponentKind.PROMPT, "db", {"x": "1", "db": "EVIL"}),
    (ComponentKind.PROMPT, "ctx", {"x": "1", "ctx": "EVIL"}),
]


def guarded(kind: ComponentKind) -> TaskServer[Any]:
    if kind is ComponentKind.TOOL:

        def tool(
            x: int, ctx: Context[Any, Any], resolved: Annotated[str, Resolve(plain)], db: str = Depends(generated)
        ) -> str:
            raise AssertionError("a caller's value got in")

        return server_with(tool)

    def it(x: int, ctx: Context[Any, Any], db: str = Depends(generated)) -> str:
        raise AssertionError("a caller's value got in")

    return server_with(it, kind)


class TestNobodyElse:
    """Injected parameters are not for callers to see or to give."""

    def test_no_schema_shows_them(self) -> None:
        mcp = guarded(ComponentKind.TOOL)
        mcp.prompt(name="it")(lambda x, db=Depends(plain): x)
        (tool,) = asyncio.run(mcp.list_tools())
        (prompt,) = asyncio.run(mcp.list_prompts())
        assert list(tool.input_schema["properties"]) == ["x"]
        assert [argument.name for argument in prompt.arguments or ()] == ["x"]

    @pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
    @PLACES
    @pytest.mark.parametrize(("kind", "name", "arguments"), ATTEMPTS)
    def test_giving_one_is_an_error(
        self, kind: ComponentKind, name: str, arguments: JsonObject, run: Run, version: str
    ) -> None:
        answer = run(guarded(kind), call(arguments, kind, version=version))
        assert f"'{name}' of {kind.value} 'it' is filled in by the server and cannot be given" in answer
        assert '"error"' in answer or '"isError": true' in answer
        assert LOG == []

    @pytest.mark.parametrize("kind", [ComponentKind.RESOURCE, ComponentKind.RESOURCE_TEMPLATE])
    def test_a_resource_takes_no_arguments_at_all(self, kind: ComponentKind) -> None:
        def it(year: int, db: str = Depends(generated)) -> str:
            raise AssertionError("a caller's value got in")

        def static(db: str = Depends(generated)) -> str:
            raise AssertionError("a caller's value got in")

        mcp = server_with(static if kind is ComponentKind.RESOURCE else it, kind)
        outcome = outcome_in_job(mcp, assignment_of(call({"db": "EVIL"}, kind)))
        assert isinstance(outcome, FailureOutcome)
        assert outcome.reason is Reason.INVALID_ARGUMENTS
