"""The components of a server, as the protocol and the runner look them up (`mcptasks.protocol.catalogue.Catalogue`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver.resources.templates import ResourceSecurityError, ResourceTemplate

from mcptasks.authoring.component_target import ComponentTarget, OpenContext, Registered
from mcptasks.authoring.declarations import Declarations, Declared
from mcptasks.model.names import is_template_name
from mcptasks.model.task import Component, ComponentKind
from mcptasks.protocol.request_target import Sought, target_of
from mcptasks.protocol.sdk_private import ServerInternals


class ServerCatalogue:
    """Brings together what was declared on a server and what the SDK keeps of it.

    Args:
        open_context: opens a context for what a tool asks before it runs.
    """

    def __init__(self, declarations: Declarations, internals: ServerInternals, open_context: OpenContext) -> None:
        self.declarations = declarations
        self._internals = internals
        self._open_context = open_context

    def find(self, kind: ComponentKind, name: str) -> ComponentTarget | None:
        """The component of that name, or the resource or resource template that the URI belongs to."""
        found = self._registered(kind, name)
        if found is None:
            return None
        declared, registered = found
        return ComponentTarget(Component(kind=declared.kind, name=name), declared, registered, self._open_context)

    def target_of(self, sought: Sought | None, ctx: ServerRequestContext[Any, Any] | None) -> ComponentTarget | None:
        """The component that is sought while the request is served, looked up unless the request has it already."""
        target = target_of(sought, ctx, self)
        return target if isinstance(target, ComponentTarget) else None

    def has_tasks(self, kind: ComponentKind) -> bool:
        """Whether any component of the kind runs as a task."""
        return any(declared.kind is kind and declared.config.runs_as_task for declared in self.declarations)

    def inline_unchosen(self, *, task_tools: bool, is_warm: Callable[[str | None], bool]) -> list[str]:
        """Labels of what runs in the server for clients without tasks, although nobody has said so.

        Args:
            task_tools: the server offers tools to follow a task, so that calls of tools become tasks.
            is_warm: whether workers run the tasks of a template.
        """
        return _labels(
            declared
            for declared in self.declarations
            if declared.config.is_inline_unchosen(
                task_tools=task_tools and declared.kind is ComponentKind.TOOL, warm=is_warm(declared.config.template)
            )
        )

    @property
    def task_labels(self) -> list[str]:
        """Labels of what runs as a task where tasks are served."""
        return _labels(declared for declared in self.declarations if declared.config.runs_as_task)

    @property
    def templates(self) -> list[str]:
        """The templates that components name and that there can be, each once; that of the others is `default`."""
        return [name for name in self._named_templates() if is_template_name(name)]

    @property
    def impossible_templates(self) -> dict[str, list[str]]:
        """The templates that components name and that there cannot be, with the labels of these components."""
        return {name: labels for name, labels in self._named_templates().items() if not is_template_name(name)}

    def _named_templates(self) -> dict[str, list[str]]:
        """The templates that components name, sorted, and the labels of those that do."""
        named: dict[str, list[str]] = {}
        for declared in self.declarations:
            if declared.config.runs_as_task and declared.config.template:
                named.setdefault(declared.config.template, []).append(declared.label)
        return {name: named[name] for name in sorted(named)}

    @property
    def authenticates(self) -> bool:
        """Whether callers must present a token."""
        return self._internals.token_verifier is not None

    def _registered(self, kind: ComponentKind, name: str) -> tuple[Declared, Registered] | None:
        """What was declared under that name, and what the SDK keeps of it."""
        if kind in (ComponentKind.RESOURCE, ComponentKind.RESOURCE_TEMPLATE):
            return self._registered_resource(name)
        declared = self.declarations.get(kind, name)
        if declared is None:
            return None
        return declared, self._internals.tool(name) if kind is ComponentKind.TOOL else self._internals.prompt(name)

    def _registered_resource(self, uri: str) -> tuple[Declared, Registered] | None:
        declared = self.declarations.get(ComponentKind.RESOURCE, uri)
        if declared is not None:
            return declared, None
        template = self._template(uri)
        if template is None:
            return None
        declared = self.declarations.get(ComponentKind.RESOURCE_TEMPLATE, template.uri_template)
        return None if declared is None else (declared, template)

    def _template(self, uri: str) -> ResourceTemplate | None:
        """The resource template that a URI belongs to, in the order in which the SDK asks them."""
        for template in self._internals.templates():
            try:
                if template.matches(uri) is not None:
                    return template
            except ResourceSecurityError:
                return None
        return None


def _labels(declared: Iterable[Declared]) -> list[str]:
    """What errors call them: tools first, each kind by name."""
    kinds = list(ComponentKind)
    return [each.label for each in sorted(declared, key=lambda each: (kinds.index(each.kind), each.name))]
