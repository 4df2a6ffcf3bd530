"""How what a function returns becomes a result, where the SDK would put down how Python shows an object."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from itertools import chain
from typing import Any, get_args

import pydantic_core
from mcp.server.mcpserver import Audio, Image
from mcp.server.mcpserver.prompts.base import Message
from mcp.server.mcpserver.resources import Resource
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp_types import CallToolResult, ContentBlock, InputRequiredResult, TextContent
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from mcptasks.authoring.functions import is_async
from mcptasks.authoring.written_values import json_text, refuse_unwritable, says_nothing
from mcptasks.model.task import ComponentKind


class ToolResults(FuncMetadata):
    """The SDK's arguments and results of one tool, which writes no object as `<Report object at 0x...>`.

    The text of an object with annotated fields is the JSON of its structured content, as that of a model is.
    """

    @classmethod
    def give(cls, tool: Tool) -> None:
        """Make the tool's results be these; harmless for a tool that has its own way."""
        known = tool.fn_metadata
        if type(known) is FuncMetadata:
            tool.fn_metadata = cls(
                arg_model=known.arg_model,
                output_schema=known.output_schema,
                output_model=known.output_model,
                wrap_output=known.wrap_output,
            )

    def convert_result(self, result: Any) -> CallToolResult | InputRequiredResult:
        """The result for what the tool has returned.

        Raises:
            UnwritableResultError: it cannot be written as JSON.
            ValidationError: it does not fit the tool's annotation.
        """
        if isinstance(result, CallToolResult | InputRequiredResult):
            return super().convert_result(result)
        if self.output_schema is None or self.output_model is None:
            return CallToolResult(content=_content_of(result))
        if inspect.isgenerator(result):
            # It is read twice: as text, and as structured content.
            result = list(result)
        try:
            converted = super().convert_result(result)
        except PydanticSerializationError as error:
            refuse_unwritable(error)
            raise
        if self.wrap_output or not _is_plain_object(result) or not isinstance(converted, CallToolResult):
            return converted
        text = pydantic_core.to_json(converted.structured_content, indent=2).decode()
        return converted.model_copy(update={"content": [TextContent(type="text", text=text)]})


_MESSAGES = (str, dict, Message, *get_args(ContentBlock), Image, Audio, InputRequiredResult)
"""What the SDK makes messages of."""


def _is_plain_object(value: object) -> bool:
    """Whether it is an object that only its annotated fields tell of."""
    return says_nothing(type(value)) and not is_dataclass(value) and not isinstance(value, BaseModel | dict | tuple)


def _content_of(result: Any) -> list[ContentBlock]:
    """As the SDK makes content of what a tool returns, but for the objects."""
    if result is None:
        return []
    if isinstance(result, ContentBlock):
        return [result]
    if isinstance(result, Image):
        return [result.to_image_content()]
    if isinstance(result, Audio):
        return [result.to_audio_content()]
    if isinstance(result, list | tuple):
        return list(chain.from_iterable(map(_content_of, result)))
    return [TextContent(type="text", text=result if isinstance(result, str) else json_text(result))]


def gathering(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function; of a generator function, one that runs to its end where it is called.

    Otherwise it would run where its result is written, and hold up the loop there, which is that of all calls in the
    server. Its values are a generator's as before, so that they are written alike.
    """
    if not inspect.isgeneratorfunction(fn):
        return fn

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        values = list(fn(*args, **kwargs))
        return (value for value in values)

    return call


def written(kind: ComponentKind, fn: Callable[..., Any]) -> Callable[..., Any]:
    """The component's function as the SDK gets it: those of prompts and resources give only what the SDK can write.

    They raise UnwritableResultError for the rest; results of tools are converted afterwards.
    """
    if kind is ComponentKind.TOOL:
        return fn
    return _converting(fn, _messages_of if kind is ComponentKind.PROMPT else _contents_of)


def _converting(fn: Callable[..., Any], convert: Callable[[Any], Any]) -> Callable[..., Any]:
    if is_async(fn):

        @wraps(fn)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return convert(await fn(*args, **kwargs))

        return call

    @wraps(fn)
    def call_sync(*args: Any, **kwargs: Any) -> Any:
        return convert(fn(*args, **kwargs))

    return call_sync


def _contents_of(result: Any) -> Any:
    return result if isinstance(result, str | bytes | Resource | InputRequiredResult) else json_text(result)


def _messages_of(result: Any) -> Any:
    if isinstance(result, list | tuple):
        return [_messages_of(each) if not isinstance(each, list | tuple) else json_text(each) for each in result]
    return result if isinstance(result, _MESSAGES) else json_text(result)
