"""The parameters of a function that are dependencies, and the function without them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import uncalled_for
from uncalled_for import get_annotation_dependencies, get_call_argument_parameters, get_dependency_parameters

from mcptasks.authoring.call_scope import current_scope
from mcptasks.authoring.functions import function_name
from mcptasks.model.task_config import DeclarationError


def injected_names(fn: Callable[..., Any]) -> frozenset[str]:
    """The function's parameters that are dependencies.

    Raises:
        DeclarationError: its dependencies cannot be resolved as they are declared.
    """
    name = function_name(fn)
    try:
        uncalled_for.validate_dependencies(fn)
        names = frozenset(get_dependency_parameters(fn))
        loose = get_call_argument_parameters(fn)
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{name}: {error}") from error
    if loose:
        missing = ", ".join(repr(parameter.name) for parameter in loose)
        raise DeclarationError(
            f"{name}: a dependency asks for the argument {missing}, which {name} does not have: add that parameter"
        )
    return names


def without_injected(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function as callers see it: without its dependencies, which are resolved by the call's scope.

    A function without dependencies is itself.
    """
    names = injected_names(fn)
    if not names and not get_annotation_dependencies(fn):
        return fn
    try:
        signature = inspect.signature(fn, eval_str=True)
    except NameError as error:
        raise DeclarationError(
            f"{getattr(fn, '__name__', fn)}: an annotation cannot be evaluated: {error}; "
            "import that name at module level"
        ) from error

    @wraps(fn)
    async def call(**arguments: Any) -> Any:
        return await current_scope().call(fn, arguments)

    kept = [parameter for name, parameter in signature.parameters.items() if name not in names]
    annotations = {p.name: p.annotation for p in kept if p.annotation is not inspect.Parameter.empty}
    if signature.return_annotation is not inspect.Signature.empty:
        annotations["return"] = signature.return_annotation
    call.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    call.__annotations__ = annotations
    return call
