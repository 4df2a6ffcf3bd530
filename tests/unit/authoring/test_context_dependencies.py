"""Who gets the context by a dependency, and can ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from mcp.server.mcpserver import Context

import mcptasks
from mcptasks import (
    CurrentContext,
    Depends,
    TaskServer,
)
from mcptasks.model.task import ComponentKind


def asker(ctx: Context[Any, Any] = CurrentContext()) -> str:
    return str(ctx)


def asker_of_asker(inner: str = Depends(asker)) -> str:
    return inner


def no_asker(number: int = 1) -> int:
    return number


def with_context(ctx: Context[Any, Any] = CurrentContext()) -> None: ...


def with_annotated_context(ctx: Annotated[Context[Any, Any], CurrentContext()]) -> None: ...


def with_asker(value: str = Depends(asker)) -> None: ...


def with_annotated_asker(value: Annotated[str, Depends(asker)]) -> None: ...


def with_asker_of_asker(value: str = Depends(asker_of_asker)) -> None: ...


def with_binding(value: int = Depends(no_asker, number=CurrentContext())) -> None: ...


def with_no_asker(value: int = Depends(no_asker)) -> None: ...


def with_replaced_context(value: str = Depends(asker, ctx=None)) -> None: ...


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize(
    ("fn", "can_ask"),
    [
        (with_context, True),
        (with_annotated_context, True),
        (with_asker, True),
        (with_annotated_asker, True),
        (with_asker_of_asker, True),
        (with_binding, True),
        (with_no_asker, False),
        (with_replaced_context, False),
    ],
)
def test_who_gets_the_context_by_a_dependency_can_ask(fn: Callable[..., Any], can_ask: bool, mounted: bool) -> None:
    inner: TaskServer[Any] = TaskServer("inner", tasks=True)
    inner.tool(name="it")(fn)
    outer: TaskServer[Any] = TaskServer("outer", tasks=True)
    outer.mount(inner, "")
    target = (outer if mounted else inner).catalogue.find(ComponentKind.TOOL, "it")
    assert target is not None
    assert target.can_ask is can_ask


def test_the_context_is_that_of_the_sdk() -> None:
    assert mcptasks.Context is Context
