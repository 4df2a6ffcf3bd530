"""The arguments of a task, as its tool gets them: pure."""

from __future__ import annotations

import json

from mcptasks.model.base import JsonObject
from mcptasks.model.json_nesting import MAX_SPEC_LEVELS, nests_deeper
from mcptasks.model.task import McpTask


class InvalidArgumentsError(Exception):
    """The task's arguments cannot be given to a tool."""


def fault_of_spec(item: JsonObject) -> str | None:
    """Why the task's spec cannot be given to a tool, as far as the CRD's schema cannot say it; None where it can."""
    arguments = item["spec"].get("arguments")
    if arguments is not None and not isinstance(arguments, dict):
        return "spec.arguments is not a JSON object"
    if nests_deeper(item["spec"], MAX_SPEC_LEVELS):
        return f"the spec nests deeper than {MAX_SPEC_LEVELS} levels"
    return None


def without_arguments(item: JsonObject) -> JsonObject:
    """The task as an object that fits the model whatever its arguments are."""
    return item | {"spec": item["spec"] | {"arguments": {}}}


def arguments_text(task: McpTask) -> str:
    """The arguments as JSON text: the exact text where the spec has it, the object otherwise.

    Raises:
        InvalidArgumentsError: the text is not a JSON object, or says something other than the object, which is what
            admission policies have seen.
    """
    shown = task.spec.arguments or {}
    text = task.spec.arguments_text
    if text is None:
        return json.dumps(shown, ensure_ascii=False)
    try:
        exact = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentsError("spec.argumentsText is not JSON") from error
    if not isinstance(exact, dict):
        raise InvalidArgumentsError("spec.argumentsText is not a JSON object")
    if not equal_as_doubles(exact, shown):
        raise InvalidArgumentsError("spec.argumentsText and spec.arguments do not agree")
    return text


def unfit_arguments(item: JsonObject) -> str | None:
    """Why no tool can be given the arguments of the whole task; None where one can."""
    fault = fault_of_spec(item)
    if fault is not None:
        return fault
    try:
        arguments_text(McpTask.model_validate(item))
    except InvalidArgumentsError as error:
        return str(error)
    return None


def equal_as_doubles(one: object, other: object) -> bool:
    """Whether two JSON values are the same once their numbers are doubles, as the API server keeps them."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal_as_doubles(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(equal_as_doubles(a, b) for a, b in zip(one, other, strict=True))
    if _is_number(one) and _is_number(other):
        return _double(one) == _double(other)
    return type(one) is type(other) and one == other


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _double(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return float("inf")
