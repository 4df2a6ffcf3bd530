"""What functions return, as JSON text; never Python's own description of an object that nobody else knows."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Mapping, Sequence, Set, ValuesView
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

import pydantic_core
from mcp.server.mcpserver import Audio, Image
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

FIX_OF_RESULT = "return str, a list, a dict, a pydantic model, MCP content or a File, for a table its records"

_CONTAINERS = (Mapping, Sequence, Set, ValuesView)
_WRITABLE = (str, bytes, int, float, Enum, BaseModel, Image, Audio, *_CONTAINERS)


class UnwritableResultError(TypeError):
    """A function returned what cannot be written as JSON. The message says what of it, and what to return instead."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the result cannot be written as JSON: it has {what}; {FIX_OF_RESULT}")


def unwritable_in(error: BaseException) -> UnwritableResultError | None:
    """The error that this one comes of, where that is what a function has returned."""
    cause = error.__cause__
    while cause is not None and not isinstance(cause, UnwritableResultError):
        cause = cause.__cause__
    return cause


def json_text(value: object) -> str:
    """The value as JSON, indented as the SDK does it.

    Objects that JSON does not know are what `str()` says where their class says it; the others are refused.

    Raises:
        UnwritableResultError: there is an object in it of which `str()` says nothing, or bytes that are no text.
    """
    fallback = _Fallback()
    try:
        return pydantic_core.to_json(value, fallback=fallback, indent=2).decode()
    except PydanticSerializationError as error:
        if fallback.refused is not None:
            raise UnwritableResultError(_named(fallback.refused)) from error
        refuse_unwritable(error)
        raise


def refuse_unwritable(error: PydanticSerializationError) -> None:
    """Raises UnwritableResultError where the error is about the value; others come of the author's own code."""
    text = str(error)
    if "invalid utf-8" in text:
        raise UnwritableResultError("bytes that are no UTF-8 text") from error
    if "Unable to serialize unknown type: " in text:
        shown = text.partition("Unable to serialize unknown type: ")[2].removeprefix("<class '").removesuffix("'>")
        raise UnwritableResultError(f"a value of type {shown.removeprefix('__main__.')}") from error


def says_nothing(kind: type) -> bool:
    """Whether `str()` of an instance is no value: Python's description of an object, or an array with items left out.

    Arrays and tables are told by the protocol of NumPy: `__array__`, of something with a length.
    """
    told = any("__str__" in vars(base) for base in kind.__mro__ if base is not object)
    return not told or (hasattr(kind, "__array__") and hasattr(kind, "__len__"))


def is_unwritable(kind: type) -> bool:
    """Whether no instance of the class can be written as JSON, as far as the class shows it.

    Those of an abstract class or a protocol are instances of others, which may be writable.
    """
    if kind is object or inspect.isabstract(kind) or ABC in kind.__bases__ or getattr(kind, "_is_protocol", False):
        return False
    return says_nothing(kind) and not issubclass(kind, _WRITABLE) and not is_dataclass(kind)


class _Fallback:
    """What stands for an object that JSON does not know, for one call of the serializer."""

    refused: type | None = None

    def __call__(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        if not says_nothing(type(value)):
            return str(value)
        if isinstance(value, _CONTAINERS):
            return list(value)
        self.refused = type(value)
        raise TypeError("no JSON")


def _named(kind: type) -> str:
    home = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    return f"a value of type {home}{kind.__qualname__}"
