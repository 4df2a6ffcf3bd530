"""What is wrong with the annotations of a component's function, for authors whose function the SDK does not take."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableSequence, Sequence, Set
from types import SimpleNamespace, UnionType
from typing import Any, NewType

from mcp.server.mcpserver import Audio, Context, Image
from mcp.server.mcpserver.resolve import Resolve
from pydantic import ConfigDict, TypeAdapter

from mcptasks.authoring.written_values import FIX_OF_RESULT, is_doubtful, is_unwritable
from mcptasks.model.task import ComponentKind
from mcptasks.model.task_config import DeclarationError

_ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)


def unusable_annotation(fn: Callable[..., Any], injected: Collection[str]) -> str | None:
    """The first annotation that nothing can be made of, and what to do; None where all seem to be right.

    Args:
        injected: parameters that no caller gives.
    """
    signature = inspect.signature(fn)
    annotated = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    annotated["return"] = signature.return_annotation
    hints: dict[str, object] = {}
    for name, annotation in annotated.items():
        if annotation is inspect.Signature.empty:
            continue
        try:
            hints[name] = _evaluated(fn, name, annotation)
        except NameError as error:
            return f"{_named(name, annotation)}, cannot be evaluated: {error}; import that name at module level"
        except Exception as error:  # noqa: BLE001 - annotations are the author's code
            return f"{_named(name, annotation)}, is not a type: {error}"
    for name, hint in hints.items():
        if name not in injected and not _is_filled_in(hint) and not _has_schema(hint):
            fix = FIX_OF_RESULT if name == "return" else _FIX_OF_PARAMETER
            return f"{_named(name, annotated[name])}, cannot be written as JSON: {fix}"
    return None


def unwritable_result(kind: ComponentKind, fn: Callable[..., Any]) -> str | None:
    """What of a function's result can never be written as JSON, and what to do; None where nothing is known of it."""
    if inspect.isasyncgenfunction(fn):
        return f"it is an asynchronous generator, whose values nobody takes: {FIX_OF_RESULT}"
    if annotation := _result_with(fn, lambda hint: _has_class(hint, is_unwritable)):
        return f"{annotation}, cannot be written as JSON: {FIX_OF_RESULT}"
    lists = _LISTS_AROUND_MEDIA.get(kind, -1)
    if annotation := _result_with(fn, lambda hint: _has_stray_media(hint, lists)):
        fix = "return its bytes, and give mime_type= to the decorator" if lists < 0 else _FIX_OF_MEDIA
        return f"{annotation}, has an Image or Audio where it cannot be written: {fix}"
    return None


def doubtful_result(fn: Callable[..., Any]) -> str | None:
    """What of a function's result can be written as JSON only if it is of a class that is not known yet."""
    annotation = _result_with(fn, lambda hint: _has_class(hint, is_doubtful))
    return annotation and f"{annotation}, can be written as JSON only where a subclass can: {FIX_OF_RESULT}"


def _result_with(fn: Callable[..., Any], wanted: Callable[[object], bool]) -> str | None:
    """The return annotation as it is named, where it is such a one."""
    annotation = inspect.signature(fn).return_annotation
    if annotation is inspect.Signature.empty:
        return None
    try:
        hint = _evaluated(fn, "return", annotation)
    except Exception:  # noqa: BLE001 - annotations are the author's code, and the SDK has taken this one
        return None
    return _named("return", annotation) if wanted(hint) else None


def _has_class(hint: object, wanted: Callable[[type], bool]) -> bool:
    """Whether the annotation has such a class that pydantic cannot write."""
    return any(wanted(kind) and not _has_schema(kind) for kind in _classes_in(hint))


_LISTS_AROUND_MEDIA = {ComponentKind.TOOL: sys.maxsize, ComponentKind.PROMPT: 1}
"""How many lists may be around an Image or Audio that becomes content; a resource has no content but text and bytes."""

_FIX_OF_MEDIA = "return it by itself, or in a list, with the text that belongs to it beside it"


def _has_stray_media(hint: Any, lists: int) -> bool:
    """Whether an Image or Audio is in a mapping or a set, or within more lists than these; -1: wherever it is."""
    hint = _plain(hint)
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and origin is None:
        return lists < 0 and issubclass(hint, (Image, Audio))
    if origin in (typing.Union, UnionType):
        return any(_has_stray_media(part, lists) for part in parts)
    if not isinstance(origin, type):
        return False
    if issubclass(origin, (Mapping, Set)):
        return any(_has_stray_media(part, -1) for part in parts)
    is_list = issubclass(origin, (list, tuple)) or origin in _OF_LISTS
    return is_list and any(_has_stray_media(part, lists - 1) for part in parts)


_OF_LISTS = (Sequence, MutableSequence, Collection, Iterable)
"""What lists are as well."""


def _plain(hint: Any) -> Any:
    """The annotation without what only names it or notes something about it."""
    while True:
        if isinstance(hint, NewType):
            hint = hint.__supertype__
        elif not isinstance(hint, type) and hasattr(hint, "__value__"):
            hint = hint.__value__  # What a `type` statement has made.
        elif typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
        else:
            return hint


def refuse_unnamed_parameters(label: str, fn: Callable[..., Any]) -> None:
    """Raises DeclarationError for `*args`, `**kwargs` and what stands before a `/`.

    Callers give arguments by names that a schema lists.
    """
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise DeclarationError(
                f"{label}: arguments are given by name, so the parameter {parameter.name!r} cannot stand before a `/`: "
                "leave the `/` out, or write a function without one that calls it"
            )
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise DeclarationError(
                f"{label}: callers give arguments by name, so it cannot have *{parameter.name}: write a parameter "
                f"with a list, as in `{parameter.name}: list[str]`"
            )
        if parameter.kind is parameter.VAR_KEYWORD:
            raise DeclarationError(
                f"{label}: callers give the arguments that its schema lists, so it cannot have **{parameter.name}: "
                f"name each one, or write `{parameter.name}: dict[str, str]`"
            )


def _named(name: str, annotation: object) -> str:
    shown = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return f"its return annotation, {shown}" if name == "return" else f"the annotation of parameter {name!r}, {shown}"


_FIX_OF_PARAMETER = (
    "callers give JSON, so use str, int, list, dict or a pydantic model, or fill it in with a dependency: Depends(...)"
)


def _classes_in(hint: Any) -> Iterator[type]:
    """The classes that an annotation is made of."""
    hint = _plain(hint)
    if hint is UnionType:
        return
    if isinstance(hint, type) and not typing.get_args(hint):
        yield hint
    elif typing.get_origin(hint) not in (None, typing.Literal):
        for part in (typing.get_origin(hint), *typing.get_args(hint)):
            yield from _classes_in(part)


def _evaluated(fn: Callable[..., Any], name: str, annotation: object) -> object:
    holder = SimpleNamespace(__annotations__={name: annotation})
    names = getattr(inspect.unwrap(fn), "__globals__", {})
    return typing.get_type_hints(holder, globalns=names, include_extras=True)[name]


def _has_schema(hint: Any) -> bool:
    try:
        TypeAdapter[Any](hint, config=None if _has_own_config(hint) else _ANY_TYPE).json_schema()
    except Exception:  # noqa: BLE001 - whatever it is, there is no schema
        return False
    return True


def _has_own_config(hint: object) -> bool:
    return isinstance(hint, type) and (hasattr(hint, "model_config") or hasattr(hint, "__pydantic_config__"))


def _is_filled_in(hint: object) -> bool:
    """Whether the SDK fills the parameter in: the `Context`, or what a resolver gives."""
    arms = [hint, *typing.get_args(hint)]
    kinds = [typing.get_origin(arm) or arm for arm in arms]
    return any(isinstance(arm, Resolve) for arm in arms) or any(
        isinstance(kind, type) and issubclass(kind, Context) for kind in kinds
    )
