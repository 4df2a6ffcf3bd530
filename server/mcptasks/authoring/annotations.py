"""What is wrong with the annotations of a component's function, for authors whose function the SDK does not take."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve
from pydantic import ConfigDict, TypeAdapter

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
            fix = _FIX_OF_RESULT if name == "return" else _FIX_OF_PARAMETER
            return f"{_named(name, annotated[name])}, cannot be written as JSON: {fix}"
    return None


def refuse_unnamed_parameters(label: str, fn: Callable[..., Any]) -> None:
    """Raises DeclarationError for `*args` and `**kwargs`: callers give arguments by names that a schema lists."""
    for parameter in inspect.signature(fn).parameters.values():
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
_FIX_OF_RESULT = "return str, a list, a dict, a pydantic model, MCP content or a File, for a table its records"


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
