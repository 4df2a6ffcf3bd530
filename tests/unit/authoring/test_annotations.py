"""Functions that cannot be components: said where they are declared, with the parameter, its type and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from mcp.server.mcpserver.exceptions import InvalidSignature

from mcptasks import Context, CurrentContext, DeclarationError, Depends, Shared, TaskServer
from mcptasks.model.task import ComponentKind

if TYPE_CHECKING:
    from decimal import Decimal as NotThere


class Frame:
    """Like a table of a library: a class with annotations that only its own module can evaluate."""

    rows: NoSuchType  # type: ignore[name-defined]  # noqa: F821

    def __init__(self) -> None: ...


def needy(query: str) -> str:
    return query


def needs_context(ctx: Context[Any, Any]) -> str:
    return str(ctx)


def deep(inner: str = Depends(needy)) -> str:
    return inner


def plain(number: int = 1) -> int:
    return number


def returns_frame(a: int) -> Frame: ...  # type: ignore[empty-body]
def takes_frame(ctx: Context[Any, Any], a: Frame) -> None: ...
def takes_unknown(ctx: Context[Any, Any], a: NotThere) -> None: ...
def returns_unknown() -> NotThere: ...  # type: ignore[empty-body]
def unknown_beside_dependency(a: NotThere, b: int = Depends(plain)) -> None: ...
def takes_callable(a: Callable[[], int]) -> None: ...
def unfilled(b: str = Depends(needy)) -> None: ...
def unfilled_annotated(b: Annotated[str, Depends(needy)]) -> None: ...
def unfilled_context(b: str = Depends(needs_context)) -> None: ...
def unfilled_deep(b: str = Depends(deep)) -> None: ...
def unfilled_shared(b: str = Shared(needy)) -> None: ...
def given_too_much(b: int = Depends(plain, size=3)) -> None: ...
def takes_any_number(*numbers: int) -> None: ...
def takes_any_names(a: int, **options: str) -> None: ...
def before_a_slash(a: int, /, b: int = 1) -> None: ...
def context_before_a_slash(ctx: Context[Any, Any], /) -> None: ...
def filled_in_before_a_slash(a: str = Depends(lambda ctx=CurrentContext(), /: "x")) -> None: ...
def given_before_a_slash(a: int = Depends(abs, x=3)) -> None: ...
def underscore(_a: int) -> Frame: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (returns_frame, "tool 'it': its return annotation, Frame, cannot be written as JSON: return str"),
        (takes_frame, "tool 'it': the annotation of parameter 'a', Frame, cannot be written as JSON: callers give"),
        (takes_unknown, "parameter 'a', NotThere, cannot be evaluated: name 'NotThere' .* import that name at module"),
        (returns_unknown, "its return annotation, NotThere, cannot be evaluated"),
        (unknown_beside_dependency, "tool 'it': the annotation of parameter 'a', NotThere, cannot be evaluated"),
        (takes_callable, "parameter 'a', Callable.*, cannot be written as JSON"),
        (takes_any_number, r"tool 'it': .* it cannot have \*numbers: write .* `numbers: list\[str\]`"),
        (takes_any_names, r"tool 'it': .* it cannot have \*\*options: name each one"),
        (before_a_slash, "tool 'it': .* parameter 'a' cannot stand before a `/`: leave"),
        (context_before_a_slash, "tool 'it': .* parameter 'ctx' cannot stand before a `/`"),
        (filled_in_before_a_slash, "parameter 'a' depends on <lambda>.., whose parameter 'ctx' .* before a `/`: leave"),
        (given_before_a_slash, "parameter 'a' depends on abs.., whose parameter 'x' .* before a `/`"),
        (unfilled, r"parameter 'b' depends on needy\(\), and nothing fills in its parameter .query"),
        (unfilled_annotated, r"parameter 'b' depends on needy\(\), and nothing fills in its parameter .query"),
        (unfilled_context, r"depends on needs_context\(\), .* CurrentContext\(\)"),
        (unfilled_deep, r"parameter 'b': 'inner' of deep\(\) depends on needy\(\)"),
        (unfilled_shared, r"depends on needy\(\)"),
        (given_too_much, r"plain\(\) has no parameter 'size'"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_declared(fn: Callable[..., Any], message: str) -> None:
    mcp: TaskServer[Any] = TaskServer("x", tasks=True)
    with pytest.raises(DeclarationError, match=message):
        mcp.tool(name="it")(fn)
    assert mcp.catalogue.find(ComponentKind.TOOL, "it") is None


def test_an_annotation_that_is_no_expression_is_named() -> None:
    def it(x):  # type: ignore[no-untyped-def]
        return x

    it.__annotations__["x"] = "list[int"
    with pytest.raises(DeclarationError, match=r"parameter .x., list.int, is not a type"):
        TaskServer("x").tool()(it)


def test_what_the_sdk_says_clearly_stays() -> None:
    with pytest.raises(InvalidSignature, match="cannot start with '_'"):
        TaskServer("x").tool()(underscore)


def test_prompts_and_resources_say_it_as_well() -> None:
    mcp: TaskServer[Any] = TaskServer("x")
    with pytest.raises(DeclarationError, match="prompt 'it': the annotation of parameter 'a', NotThere"):
        mcp.prompt(name="it")(takes_unknown)
    with pytest.raises(DeclarationError, match=r"resource template 'it://\{a\}': the annotation of parameter 'a'"):
        mcp.resource("it://{a}")(takes_unknown)
    with pytest.raises(DeclarationError, match=r"prompt 'it': .* 'a' cannot stand before a `/`"):
        mcp.prompt(name="it")(before_a_slash)
    with pytest.raises(DeclarationError, match=r"resource template 'it://\{a\}': .* 'a' cannot stand before a `/`"):
        mcp.resource("it://{a}")(before_a_slash)


def test_what_is_filled_in_is_taken() -> None:
    mcp: TaskServer[Any] = TaskServer("x")

    def it(
        a: str = Depends(needy, query="q"),
        b: str = Depends(needs_context, ctx=CurrentContext()),
        c: dict[str, int] = Depends(lambda **values: values, size=3),
    ) -> None: ...

    mcp.tool()(it)
