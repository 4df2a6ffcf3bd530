"""Factories of every kind, and servers with one component that depends on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from mcptasks import (
    Depends,
    TaskServer,
)
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Component, ComponentKind
from tests.support.inline_and_job import ComponentCall, in_job, inline

PLACES = pytest.mark.parametrize("run", [inline, in_job])


Run = Callable[..., str]


LOG: list[str] = []
"""What happened, in order; each test starts with none."""


@contextmanager
def opened(name: str) -> Iterator[str]:
    LOG.append(f"open {name}")
    try:
        yield name
    except BaseException as error:
        LOG.append(f"{name} sees {type(error).__name__}")
        raise
    finally:
        LOG.append(f"close {name}")


def plain() -> str:
    return "plain"


async def awaited() -> str:
    await asyncio.sleep(0)
    return "awaited"


def generated() -> Iterator[str]:
    with opened("generated") as value:
        yield value


async def generated_async(first: str = Depends(generated)) -> AsyncIterator[str]:
    with opened(f"{first} async") as value:
        yield value


@contextmanager
def entered(fresh: str = Depends(generated)) -> Iterator[str]:
    with opened("entered") as value:
        yield value


@asynccontextmanager
async def entered_async() -> AsyncIterator[str]:
    with opened("entered async") as value:
        yield value


def once() -> object:
    LOG.append("made")
    return object()


def inner(o: object = Depends(once)) -> object:
    return o


def looked_up(x: int) -> str:
    return f"resolved {x}"


def server_with(fn: Callable[..., Any], kind: ComponentKind = ComponentKind.TOOL) -> TaskServer[Any]:
    """A server with that one component."""
    mcp: TaskServer[Any] = TaskServer("s", tasks=True)
    if kind is ComponentKind.TOOL:
        mcp.tool(name="it")(fn)
    elif kind is ComponentKind.PROMPT:
        mcp.prompt(name="it")(fn)
    elif kind is ComponentKind.RESOURCE:
        mcp.resource("it://all", name="it")(fn)
    else:
        mcp.resource("it://{year}/all", name="it")(fn)
    return mcp


NAMES = {
    ComponentKind.TOOL: "it",
    ComponentKind.PROMPT: "it",
    ComponentKind.RESOURCE: "it://all",
    ComponentKind.RESOURCE_TEMPLATE: "it://2026/all",
}


def call(arguments: JsonObject | None = None, kind: ComponentKind = ComponentKind.TOOL, **more: Any) -> ComponentCall:
    return ComponentCall(Component(kind=kind, name=NAMES[kind]), arguments or {}, **more)


def text_of(answer: str) -> str:
    """The text in a tool's, prompt's or resource's answer."""
    result = json.loads(answer)["result"]
    block = (result.get("content") or result.get("messages") or result["contents"])[0]
    return str(block.get("content", block)["text"])
