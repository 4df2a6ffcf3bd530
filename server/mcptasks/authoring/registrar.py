"""Declaring components: on a server, and on the servers that it is mounted on."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from mcp.server.mcpserver.exceptions import InvalidSignature
from pydantic import BaseModel, PydanticUserError

from mcptasks.authoring.annotations import (
    doubtful_result,
    refuse_unnamed_parameters,
    unusable_annotation,
    unwritable_result,
)
from mcptasks.authoring.arguments import arguments_model, refuse_injected_in_uri
from mcptasks.authoring.component_sources import ComponentSource, prefixed_name
from mcptasks.authoring.declarations import Declarations, Declared, label_of, place_of
from mcptasks.authoring.dependencies import needs_context, refuse_unfillable
from mcptasks.authoring.injected_parameters import injected_names, without_injected
from mcptasks.authoring.written_results import ToolResults, gathering, written
from mcptasks.model.task import ComponentKind
from mcptasks.model.task_config import DeclarationError, TaskConfig, TaskConfigError, TaskOption, resolve
from mcptasks.protocol.sdk_private import Registration

logger = logging.getLogger(__name__)


class DeclaringServer(Protocol):
    """The server that components are declared on: a `TaskServer`."""

    @property
    def name(self) -> str: ...

    def own_lifespan(self) -> AbstractAsyncContextManager[Any]:
        """The lifespan that the author gave, without those of mounted servers."""
        ...


class Registrar:
    """Declares the components of one server. It knows the servers that its own is mounted on, and those mounted on it.

    Args:
        server: the server.
        default: what `task=None` means there.
        sdk: registers components with the SDK.
    """

    def __init__(self, server: DeclaringServer, default: TaskOption, sdk: Registration) -> None:
        self.server = server
        self.declarations = Declarations()
        self._default = default
        self._sdk = sdk
        self._outer: list[tuple[Registrar, str]] = []
        self._inner: list[Registrar] = []

    def declare(self, source: ComponentSource, task: TaskOption = None, home: object | None = None) -> None:
        """Declare a component, here and on the servers that this one is mounted on.

        Args:
            task: how it runs as a task; None for the server's default.
            home: the server that it was declared on first, if that is another one.

        Raises:
            TaskConfigError: `task` is none of True, False, None and TaskConfig.
            DeclarationError: there is a component of that kind and name already, or its dependencies cannot be
                resolved.
        """
        kind, name, fn = source.kind, source.name, source.function
        config = task_config(label_of(kind, name), task, "task", self._default)
        place = place_of(fn)
        self.declarations.refuse_second(kind, name, place)
        injected = frozenset() if fn is None else injected_names(fn)
        if fn is not None:
            refuse_unnamed_parameters(label_of(kind, name), fn)
            refuse_unfillable(label_of(kind, name), fn)
        if kind is ComponentKind.RESOURCE_TEMPLATE:
            refuse_injected_in_uri(name, injected)
        model = self._register(source, injected)
        declared = Declared(
            kind=kind,
            name=name,
            source=source,
            config=config,
            option=self._default if task is None else task,
            place=place,
            is_async=source.is_async,
            injected=injected,
            needs_context=fn is not None and needs_context(fn),
            model=model,
            home=home or self.server,
        )
        self.declarations.add(declared)
        for registrar, prefix in self._outer:
            registrar._repeat(declared, prefix)

    def _register(self, source: ComponentSource, injected: frozenset[str]) -> type[BaseModel] | None:
        """Register the component with the SDK.

        Gives the model of what callers may give to it; None where the SDK has one, or there is no function.
        """
        fn = source.function
        if source.kind is not ComponentKind.TOOL:
            _refuse_unwritable(source)
        try:
            visible = _no_function if fn is None else without_injected(gathering(fn))
            model = None if fn is None or source.kind in _MODELLED_BY_SDK else arguments_model(visible)
            source.register(self._sdk, written(source.kind, visible))
        except _ANNOTATION_ERRORS as error:
            why = None if fn is None or _is_clear(error) else unusable_annotation(fn, injected)
            if why is None:
                raise
            raise DeclarationError(f"{label_of(source.kind, source.name)}: {why}") from error
        if source.kind is ComponentKind.TOOL:
            self._take_results(source)
        return model

    def _take_results(self, source: ComponentSource) -> None:
        """Have the registered tool's results written. Raises DeclarationError, without the tool, where none can be."""
        tool = self._sdk.tool(source.name)
        if tool is None:
            return
        ToolResults.give(tool)
        if not tool.output_schema:
            try:
                _refuse_unwritable(source)
            except DeclarationError:
                self._sdk.remove_tool(source.name)
                raise

    def remove_tool(self, name: str) -> None:
        """Remove a tool, here and on the servers that this one is mounted on. Raises ToolError where there is none."""
        self._sdk.remove_tool(name)
        self.declarations.remove(ComponentKind.TOOL, name)
        for registrar, prefix in self._outer:
            registrar.remove_tool(prefixed_name(prefix, name))

    def remove_prompt(self, name: str) -> None:
        """The same for a prompt. Raises ValueError where there is none."""
        self._sdk.remove_prompt(name)
        self.declarations.remove(ComponentKind.PROMPT, name)
        for registrar, prefix in self._outer:
            registrar.remove_prompt(prefixed_name(prefix, name))

    def mount(self, mounted: Registrar, prefix: str) -> None:
        """Declare all that the other server has, and what it will have.

        Raises DeclarationError where the server would be mounted on itself, or the prefix does not fit into names.
        """
        if mounted is self or self in mounted.mounted():
            raise DeclarationError(f"server {mounted.server.name!r} cannot be mounted on itself")
        if not prefix.isidentifier() and prefix:
            raise DeclarationError(f"mount(prefix={prefix!r}): use letters, digits and underscores")
        for declared in mounted.declarations:
            self._repeat(declared, prefix)
        self._inner.append(mounted)
        mounted._outer.append((self, prefix))

    def mounted(self) -> list[Registrar]:
        """Those of all servers that are mounted on this one, at any level, each once."""
        found: dict[Registrar, None] = {}
        for registrar in self._inner:
            found |= dict.fromkeys((registrar, *registrar.mounted()))
        return list(found)

    def _repeat(self, declared: Declared, prefix: str) -> None:
        self.declare(declared.source.under(prefix), declared.option, declared.home)


def _refuse_unwritable(source: ComponentSource) -> None:
    """Raises DeclarationError for a function whose annotation shows that no result can be written; warns of doubt."""
    if source.function is None:
        return
    label = label_of(source.kind, source.name)
    if (why := unwritable_result(source.kind, source.function)) is not None:
        raise DeclarationError(f"{label}: {why}")
    if (why := doubtful_result(source.function)) is not None:
        logger.warning("%s: %s", label, why)


_ANNOTATION_ERRORS = (
    InvalidSignature,
    PydanticUserError,
    DeclarationError,
    NameError,
    TypeError,
    AttributeError,
    SyntaxError,
)
"""What functions with annotations that cannot be used end in, somewhere in the libraries."""


def _is_clear(error: Exception) -> bool:
    """Whether the SDK has said which parameter is wrong, and why."""
    return isinstance(error, InvalidSignature) and str(error).startswith("Parameter ")


_MODELLED_BY_SDK = frozenset({ComponentKind.TOOL, ComponentKind.RESOURCE})


def task_config(label: str, option: TaskOption, argument: str, default: TaskOption = None) -> TaskConfig:
    """The configuration that an option means. Raises TaskConfigError, which names the component."""
    try:
        return resolve(option, default)
    except TaskConfigError:
        raise TaskConfigError(f"{label}: {argument}={option!r}: use True, False or TaskConfig(...)") from None


def _no_function() -> None:
    """Stands for the function of a component that came as a finished object."""
