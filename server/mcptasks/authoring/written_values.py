"""What functions return, as JSON text; never Python's own description of an object that nobody else knows."""

from __future__ import annotations

import inspect
import re
from abc import ABC
from collections.abc import Mapping, Sequence, Set, ValuesView
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

import pydantic_core
from mcp.server.mcpserver import Audio, Image
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from mcptasks.diagnostics.user_modules import shown_name

FIX_OF_RESULT = "return str, a list, a dict, a pydantic model, MCP content or a File, for a table its records"

MAX_ARRAY_ITEMS = 1000
"""The text that NumPy makes of an array has so many items before any are left out."""

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

    Objects that JSON does not know are what `str()` or `repr()` says where their class says it, those of attrs their
    fields, small arrays their items; the others are refused.

    Raises:
        UnwritableResultError: there is an object in it that says nothing, or bytes that are no text.
        Exception: whatever a generator, or an object that is asked what it is, raises.
    """
    fallback = _Fallback()
    if inspect.isgenerator(value):
        # Here and not by pydantic, whose error would not tell where the author's code has failed.
        value = list(value)
    try:
        return pydantic_core.to_json(value, fallback=fallback, indent=2).decode()
    except PydanticSerializationError as error:
        if fallback.failure is not None:
            raise fallback.failure from None
        refuse_unwritable(error)
        raise


def refuse_unwritable(error: PydanticSerializationError) -> None:
    """Raises UnwritableResultError where the error is about the value; others come of the author's own code."""
    text = str(error)
    if _BYTES.match(text):
        raise UnwritableResultError("bytes that are no UTF-8 text") from error
    if found := _TYPE.match(text):
        raise UnwritableResultError(f"a value of type {found['type'].removeprefix('__main__.')}") from error


_PREFIX = r"(Error serializing to JSON: )?"
_BYTES = re.compile(_PREFIX + r"(invalid utf-8 sequence|UnicodeDecodeError: 'utf-8' codec can't decode)")
_TYPE = re.compile(_PREFIX + r"(PydanticSerializationError: )?Unable to serialize unknown type: <class '(?P<type>.*)'>")
"""What pydantic itself says of values. Of what an author's serializer raises it says that the function was called."""


def says_nothing(kind: type) -> bool:
    """Whether the class has no `str()` of its own, or one of an array, which leaves items out."""
    return not _has_own(kind, "__str__") or _is_array(kind)


def is_unwritable(kind: type) -> bool:
    """Whether no instance of the class can be written as JSON: that of a table, or one without subclasses for ever."""
    if _is_array(kind):
        return not _has_items(kind) and not issubclass(kind, _WRITABLE)
    return is_doubtful(kind) and (getattr(kind, "__final__", False) or not kind.__flags__ & _EXTENSIBLE)


def is_doubtful(kind: type) -> bool:
    """Whether instances of the class itself cannot be written, and there are no others by now.

    Those of an abstract class or a protocol are instances of others, which may be writable.
    """
    if kind is object or inspect.isabstract(kind) or ABC in kind.__bases__ or getattr(kind, "_is_protocol", False):
        return False
    told = _has_own(kind, "__str__") or _has_own(kind, "__repr__") or is_dataclass(kind) or hasattr(kind, _OF_ATTRS)
    return not told and not _is_array(kind) and not issubclass(kind, _WRITABLE) and not kind.__subclasses__()


_EXTENSIBLE = 1 << 10
"""Of the flags of a class (`Py_TPFLAGS_BASETYPE`): there may be subclasses."""

_OF_ATTRS = "__attrs_attrs__"


def _has_own(kind: type, method: str) -> bool:
    return any(method in vars(base) for base in kind.__mro__ if base is not object)


def _is_array(kind: type) -> bool:
    """Arrays and tables are told by the protocol of NumPy: `__array__`, of something with a length."""
    return hasattr(kind, "__array__") and hasattr(kind, "__len__")


def _has_items(kind: type) -> bool:
    """Whether an array's items are all there is to it; tables, and columns of one, have an index too."""
    return hasattr(kind, "tolist") and not hasattr(kind, "index")


class _Fallback:
    """What stands for an object that JSON does not know, for one call of the serializer."""

    failure: Exception | None = None
    """UnwritableResultError, or what an object has raised that was asked what it is."""

    def __call__(self, value: Any) -> Any:
        try:
            return self._written(value)
        except Exception as error:
            self.failure = error
            raise

    def _written(self, value: Any) -> Any:
        kind = type(value)
        if isinstance(value, Mapping):
            return dict(value)
        if _has_items(kind) and _is_array(kind) and _is_small(value):
            return value.tolist()
        if not says_nothing(kind):
            return str(value)
        if isinstance(value, _CONTAINERS):
            return list(value)
        if hasattr(kind, _OF_ATTRS):
            return {field.name: getattr(value, field.name) for field in getattr(kind, _OF_ATTRS)}
        if _has_own(kind, "__repr__") and not _is_array(kind) and not _DESCRIPTION.search(text := repr(value)):
            return text
        raise UnwritableResultError(_named(kind))


_DESCRIPTION = re.compile(r"\A<.*>\Z|<[^<>]* at 0x[0-9a-f]+", re.DOTALL)
"""In what `repr()` says: that it describes an object, or one in it."""


def _is_small(array: Any) -> bool:
    size = getattr(array, "size", None)
    return isinstance(size, int) and size <= MAX_ARRAY_ITEMS


def _named(kind: type) -> str:
    home = "" if kind.__module__ in ("builtins", "__main__") else f"{shown_name(kind.__module__)}."
    return f"a value of type {home}{kind.__qualname__}"
