"""What can be told of a function without calling it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine."""
    while isinstance(fn, partial):
        fn = fn.func
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004


def function_name(fn: Callable[..., Any]) -> str:
    """The function's name; that of its class where it has none."""
    return str(getattr(fn, "__name__", type(fn).__name__))


def refuse_bare(decorator: str, first: object, example: str = "") -> None:
    """Raises TypeError where the decorator got the function itself, because it was written without parentheses."""
    if callable(first):
        raise TypeError(f"@mcp.{decorator} was used without parentheses: write @mcp.{decorator}({example})")
