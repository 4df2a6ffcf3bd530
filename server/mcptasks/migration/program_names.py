"""Which names of a program are FastMCP's servers, contexts and classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import libcst

from mcptasks.migration.rules import IMPORTS, ImportedName

SERVER_CLASS = "TaskServer"
CONTEXT_CLASS = "Context"


@dataclass
class ProgramNames:
    """What was found in a program; names as the program writes them, with dots (`self.mcp`)."""

    servers: set[str] = field(default_factory=set)
    contexts: set[str] = field(default_factory=set)
    classes: dict[str, ImportedName] = field(default_factory=dict)
    """Names that imports of FastMCP bind, and what they name."""

    modules: dict[str, str] = field(default_factory=dict)
    """Names that `import fastmcp` binds, and the module."""

    def named(self, local: str) -> ImportedName | None:
        """The counterpart of a name that FastMCP's module gives, as far as it has one."""
        found = self.classes.get(local)
        return None if found is None else IMPORTS.get(found)

    def counterpart(self, node: libcst.BaseExpression) -> ImportedName | None:
        """The same for an expression: `FastMCP` or `fastmcp.FastMCP`."""
        if isinstance(node, libcst.Attribute) and (module := self.modules.get(dotted(node.value))):
            return IMPORTS.get(ImportedName(module, node.attr.value))
        return self.named(node.value) if isinstance(node, libcst.Name) else None


def dotted(node: libcst.BaseExpression | libcst.BaseAssignTargetExpression) -> str:
    """A name with its dots; empty for any other expression."""
    if isinstance(node, libcst.Name):
        return node.value
    if isinstance(node, libcst.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr.value}" if before else ""
    return ""


def is_of_fastmcp(module: str) -> bool:
    """Whether the module is part of FastMCP, or of Docket, which runs its tasks."""
    return module.partition(".")[0] in ("fastmcp", "fastmcp_tasks", "docket")


class NameCollector(libcst.CSTVisitor):
    """Finds them. `imported_servers` are names of servers in other files that are moved over together."""

    def __init__(self, imported_servers: Iterable[str] = ()) -> None:
        self.names = ProgramNames()
        self._elsewhere = set(imported_servers)

    def visit_ImportFrom(self, node: libcst.ImportFrom) -> None:  # noqa: N802
        if isinstance(node.names, libcst.ImportStar):
            return
        module = dotted(node.module) if node.module is not None else ""
        for alias in node.names:
            local = alias.evaluated_alias or alias.evaluated_name
            if is_of_fastmcp(module) and not node.relative:
                self.names.classes[local] = ImportedName(module, alias.evaluated_name)
            elif alias.evaluated_name in self._elsewhere:
                self.names.servers.add(local)

    def visit_Import(self, node: libcst.Import) -> None:  # noqa: N802
        for alias in node.names:
            if is_of_fastmcp(alias.evaluated_name):
                self.names.modules[alias.evaluated_alias or alias.evaluated_name] = alias.evaluated_name

    def visit_Assign(self, node: libcst.Assign) -> None:  # noqa: N802
        for target in node.targets:
            self._assigned(target.target, node.value)

    def visit_AnnAssign(self, node: libcst.AnnAssign) -> None:  # noqa: N802
        self._assigned(node.target, node.value)

    def _assigned(self, target: libcst.BaseAssignTargetExpression, value: libcst.BaseExpression | None) -> None:
        name = dotted(target)
        if name and value is not None and dotted(value) in self.names.servers:
            self.names.servers.add(name)
        if not isinstance(value, libcst.Call) or not name:
            return
        made = self.names.counterpart(value.func)
        if made is not None and made.name == SERVER_CLASS:
            self.names.servers.add(name)
        called = value.func
        if isinstance(called, libcst.Name) and called.value == "get_context":
            self.names.contexts.add(name)

    def visit_Param(self, node: libcst.Param) -> None:  # noqa: N802
        annotation = None if node.annotation is None else node.annotation.annotation
        default = node.default.func if isinstance(node.default, libcst.Call) else None
        if self._is_context(annotation) or (isinstance(default, libcst.Name) and default.value == "CurrentContext"):
            self.names.contexts.add(node.name.value)
        elif annotation is not None and self._is_server(annotation):
            self.names.servers.add(node.name.value)

    def _is_context(self, annotation: libcst.BaseExpression | None) -> bool:
        if isinstance(annotation, libcst.BinaryOperation):
            return self._is_context(annotation.left) or self._is_context(annotation.right)
        found = None if annotation is None else self.names.counterpart(annotation)
        return found is not None and found.name == CONTEXT_CLASS

    def _is_server(self, annotation: libcst.BaseExpression) -> bool:
        found = self.names.counterpart(annotation)
        return found is not None and found.name == SERVER_CLASS
