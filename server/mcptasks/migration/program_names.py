"""Which names of a program are FastMCP's servers, contexts and classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import libcst

from mcptasks.migration.rules import IMPORTS, NO_MODELS, ImportedName

SERVER_CLASS = "TaskServer"
CONTEXT_CLASS = "Context"
WRAPPERS = {"Annotated", "Optional", "Union"}
"""Of `typing`: what is in their brackets is the type."""


@dataclass
class ProgramNames:
    """What was found in a program; names as the program writes them, with dots (`self.mcp`)."""

    servers: set[str] = field(default_factory=set)
    server_attributes: set[str] = field(default_factory=set)
    """Attributes of the program's own classes that are servers."""

    factories: set[str] = field(default_factory=set)
    """Functions that return a server."""

    contexts: set[str] = field(default_factory=set)
    classes: dict[str, ImportedName] = field(default_factory=dict)
    """Names that imports of FastMCP bind, and what they name."""

    modules: dict[str, str] = field(default_factory=dict)
    """Names that `import fastmcp` binds, and the module."""

    no_models: set[str] = field(default_factory=lambda: set(NO_MODELS))
    """Types that are no pydantic models."""

    def named(self, local: str) -> ImportedName | None:
        """The counterpart of a name that FastMCP's module gives, as far as it has one."""
        found = self.classes.get(local)
        return None if found is None else IMPORTS.get(found)

    def module_of(self, path: str) -> str | None:
        """The module that a name with dots stands for, where `import fastmcp` binds its first part."""
        root, dot, rest = path.partition(".")
        module = self.modules.get(root)
        return None if module is None else f"{module}{dot}{rest}"

    def counterpart(self, node: libcst.BaseExpression) -> ImportedName | None:
        """The same for an expression: `FastMCP`, `fastmcp.FastMCP` or `fastmcp.exceptions.ToolError`."""
        if isinstance(node, libcst.Attribute) and (module := self.module_of(dotted(node.value))):
            return IMPORTS.get(ImportedName(module, node.attr.value))
        return self.named(node.value) if isinstance(node, libcst.Name) else None

    def is_server(self, node: libcst.BaseExpression) -> bool:
        """Whether the expression names a server: `mcp`, `self.mcp`, `program.mcp`."""
        owner, _, attribute = dotted(node).rpartition(".")
        return dotted(node) in self.servers or (bool(owner) and attribute in self.server_attributes)

    def is_class(self, annotation: libcst.BaseExpression | None, name: str) -> bool:
        """Whether an annotation says that class of mcptasks: also in quotes, as `Optional[...]` and `... | None`."""
        return any(found is not None and found.name == name for found in map(self.counterpart, _types_in(annotation)))


def dotted(node: libcst.BaseExpression | libcst.BaseAssignTargetExpression) -> str:
    """A name with its dots; empty for any other expression."""
    if isinstance(node, libcst.Name):
        return node.value
    if isinstance(node, libcst.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr.value}" if before else ""
    return ""


def last_part(node: libcst.BaseExpression) -> str:
    """The last part of a name with dots; empty for any other expression."""
    return dotted(node).rpartition(".")[2]


def is_of_fastmcp(module: str) -> bool:
    """Whether the module is part of FastMCP, or of Docket, which runs its tasks."""
    return module.partition(".")[0] in ("fastmcp", "fastmcp_tasks", "docket")


def bound_name(alias: libcst.ImportAlias) -> str:
    """The name that `import a.b` or `import a.b as c` binds."""
    return alias.evaluated_alias or alias.evaluated_name.partition(".")[0]


def _types_in(annotation: libcst.BaseExpression | None) -> Iterator[libcst.BaseExpression]:
    """The types that an annotation is made of."""
    match annotation:
        case libcst.BinaryOperation(left=left, right=right):
            yield from _types_in(left)
            yield from _types_in(right)
        case libcst.SimpleString(evaluated_value=str(text)):
            yield from _types_in(expression_of(text))
        case libcst.Subscript(value=value, slice=elements) if last_part(value) in WRAPPERS:
            for element in elements:
                yield from _types_in(element.slice.value if isinstance(element.slice, libcst.Index) else None)
        case libcst.Subscript(value=value):
            yield value
        case libcst.BaseExpression():
            yield annotation


def expression_of(text: str) -> libcst.BaseExpression | None:
    """What stands in quotes, if it is an expression."""
    try:
        return libcst.parse_expression(text)
    except libcst.ParserSyntaxError:
        return None


class NameCollector(libcst.CSTVisitor):
    """Finds them. `imported_servers` are names of servers in other files that are moved over together."""

    def __init__(self, imported_servers: Iterable[str] = ()) -> None:
        self.names = ProgramNames()
        self._elsewhere = set(imported_servers)
        self._within: list[str] = []
        """Functions that the visited code stands in; empty for a class."""

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
                whole = alias.evaluated_name if alias.evaluated_alias else bound_name(alias)
                self.names.modules[bound_name(alias)] = whole

    def visit_ClassDef(self, node: libcst.ClassDef) -> None:  # noqa: N802
        bases = [last_part(base.value) for base in node.bases]
        if all(base in self.names.no_models for base in bases):
            self.names.no_models.add(node.name.value)
        self._within.append("")

    def leave_ClassDef(self, original_node: libcst.ClassDef) -> None:  # noqa: N802
        self._within.pop()

    def visit_FunctionDef(self, node: libcst.FunctionDef) -> None:  # noqa: N802
        if node.returns is not None and self.names.is_class(node.returns.annotation, SERVER_CLASS):
            self.names.factories.add(node.name.value)
        self._within.append(node.name.value)

    def leave_FunctionDef(self, original_node: libcst.FunctionDef) -> None:  # noqa: N802
        self._within.pop()

    def visit_Return(self, node: libcst.Return) -> None:  # noqa: N802
        if node.value is not None and self._within and self._is_server(node.value):
            self.names.factories.add(self._within[-1])

    def visit_Assign(self, node: libcst.Assign) -> None:  # noqa: N802
        for target in node.targets:
            self._assigned(target.target, node.value)

    def visit_AnnAssign(self, node: libcst.AnnAssign) -> None:  # noqa: N802
        self._assigned(node.target, node.value)

    def _assigned(self, target: libcst.BaseAssignTargetExpression, value: libcst.BaseExpression | None) -> None:
        name = dotted(target)
        if not name or value is None:
            return
        if self._is_server(value):
            self.names.servers.add(name)
            owner, _, attribute = name.rpartition(".")
            if owner == "self" or (self._within and not self._within[-1]):
                self.names.server_attributes.add(attribute)
        if isinstance(value, libcst.Subscript) and last_part(value.value) == "Literal":
            self.names.no_models.add(name)
        if isinstance(value, libcst.Call) and isinstance(value.func, libcst.Name) and value.func.value == "get_context":
            self.names.contexts.add(name)

    def _is_server(self, value: libcst.BaseExpression) -> bool:
        """Whether a value is a server, or makes one."""
        if isinstance(value, libcst.IfExp):
            return self._is_server(value.body) or self._is_server(value.orelse)
        if not isinstance(value, libcst.Call):
            return self.names.is_server(value)
        made = self.names.counterpart(value.func)
        if made is None and isinstance(value.func, libcst.Attribute):
            # `FastMCP.from_openapi(...)`
            made = self.names.counterpart(value.func.value)
        return (made is not None and made.name == SERVER_CLASS) or (
            dotted(value.func).removeprefix("self.") in self.names.factories
        )

    def visit_Param(self, node: libcst.Param) -> None:  # noqa: N802
        annotation = None if node.annotation is None else node.annotation.annotation
        default = node.default.func if isinstance(node.default, libcst.Call) else None
        is_current = isinstance(default, libcst.Name) and default.value == "CurrentContext"
        if is_current or self.names.is_class(annotation, CONTEXT_CLASS):
            self.names.contexts.add(node.name.value)
        elif self.names.is_class(annotation, SERVER_CLASS):
            self.names.servers.add(node.name.value)
