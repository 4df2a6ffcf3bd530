"""What a tool asks before it runs: its resolvers (`Resolve`), run without the tool itself.

A resolver asks for what the tool needs to start. Asked before there is a task, no Pod waits for somebody to answer.
"""

from __future__ import annotations

import inspect
import logging
import types
import typing
from collections.abc import Callable
from typing import Any, get_args, get_origin

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Sample
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import MISSING_REQUIRED_CLIENT_CAPABILITY, CallToolResult, InputRequiredResult, TextContent

logger = logging.getLogger(__name__)

QUESTIONS = (Elicit, Sample, ListRoots)


def may_ask(tool: Tool) -> bool:
    """Whether one of the tool's resolvers may ask the caller, as far as what they are annotated to return tells."""
    return any(_may_return_question(plan.fn) for plan in tool.resolver_plans.values())


async def ask(
    tool: Tool, arguments: dict[str, Any], context: Context[Any, Any]
) -> InputRequiredResult | CallToolResult | None:
    """Run the tool's resolvers and nothing else.

    Gives what they ask, or the tool's error where an answer is a refusal or does not fit. None means that the tool can
    run, or has to say itself what is wrong: a resolver may need what only the tool's own process has.

    Raises:
        MCPError: the client has not declared that it can be asked this.
    """
    try:
        result = await tool.model_copy(update={"fn": _nothing, "is_async": True}).run(arguments, context)
    except UnexpectedToolError as error:
        logger.info("a resolver of tool %r fails in the server, so its task runs it: %r", tool.name, error.__cause__)
        return None
    except ToolError as error:
        return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
    except MCPError as error:
        if error.error.code == MISSING_REQUIRED_CLIENT_CAPABILITY:
            raise
        return None
    return result if isinstance(result, InputRequiredResult) else None


async def _nothing(**_: Any) -> None:
    """Stands for the tool's body."""


def _may_return_question(fn: Callable[..., Any]) -> bool:
    target = fn if inspect.isroutine(fn) else type(fn).__call__
    try:
        annotation = typing.get_type_hints(target).get("return", Any)
    except (NameError, TypeError):
        return True
    return any(_is_question(arm) for arm in _arms(annotation))


def _arms(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (typing.Union, types.UnionType) else (annotation,)


def _is_question(arm: Any) -> bool:
    kind = get_origin(arm) or arm
    return kind in (Any, object) or (isinstance(kind, type) and issubclass(kind, QUESTIONS))
