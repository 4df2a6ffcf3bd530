"""Arguments of a call, checked as the component itself would check them, before anything exists or runs.

What the server fills in (the SDK's `Context` and `Resolve` parameters, dependencies) is not for callers to give: naming
one is an error everywhere, not something to be ignored. So is a name that the component does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.context_injection import find_context_parameter
from mcp.server.mcpserver.utilities.func_metadata import func_metadata
from mcp.shared.uri_template import UriTemplate
from pydantic import AliasChoices, AliasPath, BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mcptasks.authoring.declarations import Declared
from mcptasks.diagnostics.visible_text import visible_line
from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import without_middle
from mcptasks.model.task_config import DeclarationError
from mcptasks.protocol.catalogue import ArgumentsError

MAX_WRONG = 5
"""How many wrong arguments a caller is told of at once."""

MAX_NAME, MAX_MESSAGE = 100, 300
"""Characters: both may quote what the caller has given."""


def accepted_names(model: type[BaseModel]) -> list[str]:
    """The names at the top level under which the model takes its fields, as pydantic reads them."""
    config = model.model_config
    by_alias = config.get("validate_by_alias", True)
    by_name = config.get("validate_by_name", False) or config.get("populate_by_name", False)
    names: list[str] = []
    for name, field in model.model_fields.items():
        aliases = _aliases(field.validation_alias or field.alias)
        names += aliases if by_alias else ()
        names += (name,) if by_name or not aliases else ()
    return list(dict.fromkeys(names))


def _aliases(alias: str | AliasPath | AliasChoices | None) -> list[str]:
    if alias is None:
        return []
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return [str(each.path[0]) if isinstance(each, AliasPath) else each for each in choices]


def arguments_model(fn: Callable[..., Any]) -> type[BaseModel]:
    """A model of what callers may give to a prompt's or resource template's function."""
    context = find_context_parameter(fn)
    return func_metadata(fn, skip_names=[context] if context else [], structured_output=False).arg_model


def injected_into_tool(tool: Tool, declared: Declared) -> frozenset[str]:
    """The tool's parameters that no caller may give."""
    context = {tool.context_kwarg} if tool.context_kwarg else set()
    return declared.injected | context | set(tool.resolved_params)


def check_tool_arguments(tool: Tool, declared: Declared, arguments: JsonObject) -> None:
    """Raises ArgumentsError for arguments that the tool does not take."""
    refuse_unknown_to_tool(tool, declared, arguments)
    try:
        tool.fn_metadata.validate_arguments(arguments)
    except ValidationError as error:
        raise ArgumentsError(f"Invalid arguments for tool {tool.name}: {wrong_arguments(error)}") from error


def refuse_unknown_to_tool(tool: Tool, declared: Declared, arguments: JsonObject) -> None:
    """Raises ArgumentsError where the caller names what the server fills in, or what the tool does not have.

    The SDK drops unknown names in silence, and a misspelt one would run with the parameter's default.
    """
    refuse_injected(declared.label, injected_into_tool(tool, declared), arguments)
    model = tool.fn_metadata.arg_model
    if model.model_config.get("extra") == "allow":
        return
    refuse_unknown(declared.label, accepted_names(model), arguments)


def refuse_unknown(label: str, known: Collection[str], arguments: JsonObject) -> None:
    """Raises ArgumentsError where the caller names an argument that the component does not have."""
    if unknown := sorted(arguments.keys() - set(known)):
        raise ArgumentsError(f"{_sentence(label)} has no {_listed(unknown)}: it takes {_listed(known)}")


def check_prompt_arguments(prompt: Prompt, declared: Declared, arguments: JsonObject) -> None:
    """Raises ArgumentsError for arguments that the prompt does not take."""
    context = {prompt.context_kwarg} if prompt.context_kwarg else set()
    refuse_injected(declared.label, declared.injected | context, arguments)
    known = {argument.name: argument.required for argument in prompt.arguments or ()}
    aliases = accepted_names(declared.model) if declared.model is not None else ()
    refuse_unknown(declared.label, [*known, *(name for name in aliases if name not in known)], arguments)
    if missing := sorted(name for name, required in known.items() if required and name not in arguments):
        raise ArgumentsError(f"{_sentence(declared.label)} needs {_listed(missing)}")
    _validate(declared, arguments)


def check_template_arguments(declared: Declared, values: Mapping[str, Any]) -> None:
    """Raises ArgumentsError for a URI with values that the resource template's function does not take."""
    _validate(declared, values)


def refuse_injected(label: str, injected: frozenset[str], arguments: JsonObject) -> None:
    """Raises ArgumentsError where the caller names what the server fills in."""
    if given := sorted(injected & arguments.keys()):
        verb = "is" if len(given) == 1 else "are"
        raise ArgumentsError(f"{_listed(given)} of {label} {verb} filled in by the server and cannot be given")


def refuse_injected_in_uri(uri: str, injected: frozenset[str]) -> None:
    """Raises DeclarationError for a URI template with a variable that is a dependency of its function."""
    if taken := sorted(injected.intersection(UriTemplate.parse(uri).variable_names)):
        raise DeclarationError(
            f"resource template {uri!r}: {_listed(taken)} is filled in by the server, so no URI can have it: "
            "rename the parameter or the variable"
        )


def _validate(declared: Declared, arguments: Mapping[str, Any]) -> None:
    if declared.model is None:
        return
    try:
        declared.model.model_validate(arguments)
    except ValidationError as error:
        raise ArgumentsError(f"Invalid arguments for {declared.label}: {wrong_arguments(error)}") from error


def wrong_arguments(error: ValidationError) -> str:
    """What is wrong with each argument, in one line, for a caller or a model that is to give others.

    pydantic's own text names its model and a page about pydantic, and repeats what was given.
    """
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    told = [_wrong_argument(".".join(str(part) for part in each["loc"]), each) for each in wrong[:MAX_WRONG]]
    more = len(wrong) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")


def _wrong_argument(name: str, error: ErrorDetails) -> str:
    name = without_middle(name, MAX_NAME)
    if error["type"] == "missing":
        return f"{name!r} is missing"
    told = visible_line(without_middle(error["msg"], MAX_MESSAGE))
    message = told[:1].lower() + told[1:]
    return f"{name!r}: {message}" if name else message


def _sentence(label: str) -> str:
    return label[:1].upper() + label[1:]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "no arguments"
