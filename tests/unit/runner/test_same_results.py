"""Whatever a component returns or raises, a task has the bytes that an inline call has."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from mcptasks.model.task import Component, ComponentKind
from tests.e2e import returns
from tests.support.inline_and_job import ComponentCall, in_job, inline

ARGUMENTS: dict[str, dict[str, Any]] = {"needs_an_int": {"n": "secret"}, "several_messages": {"topic": "whales"}}


IN_JOB = returns.make()
"""Another server than the one that answers inline: what runs in a Job is not served."""


def calls() -> list[Any]:
    """A call of each component of the server, in each protocol version."""
    mcp = returns.make()
    tools = [Component(name=tool.name) for tool in asyncio.run(mcp.list_tools())]
    prompts = [Component(kind=ComponentKind.PROMPT, name=prompt.name) for prompt in asyncio.run(mcp.list_prompts())]
    resources = [
        Component(kind=ComponentKind.RESOURCE, name=str(found.uri)) for found in asyncio.run(mcp.list_resources())
    ]
    template = Component(kind=ComponentKind.RESOURCE_TEMPLATE, name="returns://2026/report")
    components = [*tools, *prompts, *resources, template]
    return [
        pytest.param(
            ComponentCall(component, ARGUMENTS.get(component.name, {}), version=version),
            id=f"{component.name}-{version}",
        )
        for component in components
        for version in ("2025-11-25", "2026-07-28")
    ]


@pytest.mark.parametrize("call", calls())
def test_a_task_has_the_bytes_of_an_inline_call(call: ComponentCall) -> None:
    assert without_folder(in_job(IN_JOB, call)) == without_folder(inline(returns.mcp, call))


def without_folder(text: str) -> str:
    """The answer without the name of a temporary folder, which each run has for itself."""
    return re.sub(r"mcptasks-\w+/", "", text)


MEANT_TO_FAIL = {
    "a_tool_error",
    "an_mcp_error",
    "a_crash",
    "a_validation_error",
    "a_missing_file",
    "not_what_it_promised",
    "an_error_result",
    "needs_an_int",
    "a_failing_prompt",
    "a_refusing_prompt",
    "returns://crash",
    "returns://refuse",
}


def test_only_those_fail_that_are_meant_to() -> None:
    answers = {call.values[0].component.name: json.loads(inline(returns.mcp, call.values[0])) for call in calls()}
    failed = {name for name, answer in answers.items() if "error" in answer or answer["result"].get("isError")}
    assert failed == MEANT_TO_FAIL


@pytest.mark.parametrize("call", [each for each in calls() if "crash" in str(each.id) or "a_failing" in str(each.id)])
def test_callers_are_told_what_was_raised_alike(call: ComponentCall) -> None:
    told = inline(returns.make(), call)
    assert ": RuntimeError: secret" in told
    assert "  at tests/e2e/returns.py:" in told
    assert "site-packages" not in told
    assert in_job(IN_JOB, call) == told


def test_a_setting_keeps_what_was_raised_from_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPTASKS_SHOW_EXCEPTIONS", "false")
    masking = returns.make()
    olds = [call.values[0] for call in calls() if "2025" in str(call.id)]
    told = [answer for call in olds for answer in (inline(masking, call), in_job(IN_JOB, call))]
    crashes = [text for text in told if "secret" in text and "int_parsing" not in text]
    assert crashes == []
