"""The imports of a program that was moved over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import libcst
from libcst.metadata import PositionProvider

from mcptasks.migration.findings import MigrationFinding
from mcptasks.migration.program_names import ProgramNames, dotted, is_of_fastmcp
from mcptasks.migration.rules import DROPPED_IMPORTS, IMPORTS, OTHER_IMPORTS, OTHER_MODULES, ImportedName

_Statement = libcst.SimpleStatementLine | libcst.BaseCompoundStatement


class ImportRewrite(libcst.CSTTransformer):
    """Imports counterparts instead of FastMCP, and leaves what has none, which is told.

    Args:
        names: what the program names.
        needed: what the rewritten program uses besides the counterparts of its imports.
        still_used: modules that `import fastmcp` binds and that are used for something without a counterpart.
        unused: imported names that the rewritten program does not need.
    """

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, names: ProgramNames, needed: set[ImportedName], still_used: set[str], unused: set[str]) -> None:
        super().__init__()
        self.findings: set[MigrationFinding] = set()
        self._names = names
        self._needed = set(needed)
        self._still_used = still_used
        self._unused = unused
        self._depth = 0

    def visit_IndentedBlock(self, node: libcst.IndentedBlock) -> None:  # noqa: N802
        self._depth += 1

    def leave_IndentedBlock(  # noqa: N802
        self, original_node: libcst.IndentedBlock, updated_node: libcst.IndentedBlock
    ) -> libcst.IndentedBlock:
        self._depth -= 1
        return updated_node

    def leave_Module(self, original_node: libcst.Module, updated_node: libcst.Module) -> libcst.Module:  # noqa: N802
        """Imports at the top come together, where the first of FastMCP's stood."""
        body: list[_Statement] = []
        place: int | None = None
        bound: dict[ImportedName, str | None] = dict.fromkeys(self._needed)
        leading: Sequence[libcst.EmptyLine] = ()
        for statement, updated in zip(original_node.body, updated_node.body, strict=True):
            taken = self._taken(statement)
            if taken is None:
                body.append(updated)
                continue
            if place is None:
                place, leading = len(body), statement.leading_lines if _is_line(statement) else ()
            bound |= taken.bound
            body.extend(taken.left)
        if place is None and not bound:
            return updated_node
        at = _first_place(body) if place is None else place
        lines = import_lines(_not_there(bound, body))
        if lines:
            lines[0] = lines[0].with_changes(leading_lines=leading)
        return updated_node.with_changes(body=[*body[:at], *lines, *body[at:]])

    def leave_SimpleStatementLine(  # noqa: N802
        self, original_node: libcst.SimpleStatementLine, updated_node: libcst.SimpleStatementLine
    ) -> libcst.SimpleStatementLine | libcst.FlattenSentinel[libcst.SimpleStatementLine]:
        """Imports elsewhere, as in functions, stay where they are."""
        taken = self._taken(original_node) if self._depth else None
        if taken is None:
            return updated_node
        lines = [*taken.left, *import_lines(taken.bound)] or [_PASS]
        return libcst.FlattenSentinel([lines[0].with_changes(leading_lines=original_node.leading_lines), *lines[1:]])

    def _taken(self, statement: libcst.CSTNode) -> _TakenImport | None:
        if not isinstance(statement, libcst.SimpleStatementLine) or len(statement.body) != 1:
            return None
        (only,) = statement.body
        if isinstance(only, libcst.ImportFrom):
            return self._taken_from(statement, only)
        return self._taken_module(statement, only) if isinstance(only, libcst.Import) else None

    def _taken_from(self, statement: libcst.SimpleStatementLine, node: libcst.ImportFrom) -> _TakenImport | None:
        module = "" if node.module is None else dotted(node.module)
        if node.relative or not is_of_fastmcp(module):
            return None
        if isinstance(node.names, libcst.ImportStar):
            self._report(statement, f"`from {module} import *`: import what is used by its name")
            return _TakenImport({}, [statement])
        bound: dict[ImportedName, str | None] = {}
        left = []
        for alias in node.names:
            name = ImportedName(module, alias.evaluated_name)
            if (alias.evaluated_alias or alias.evaluated_name) in self._unused:
                continue
            if name in IMPORTS:
                bound[IMPORTS[name]] = _binding(name, IMPORTS[name], alias.evaluated_alias)
            elif name not in DROPPED_IMPORTS:
                self._report(statement, f"`{name.name}` of `{module}`: {advice(name)}")
                left.append(alias)
        if not left:
            return _TakenImport(bound, [])
        rest = node.with_changes(names=[*left[:-1], left[-1].with_changes(comma=libcst.MaybeSentinel.DEFAULT)])
        return _TakenImport(bound, [statement.with_changes(body=[rest])])

    def _taken_module(self, statement: libcst.SimpleStatementLine, node: libcst.Import) -> _TakenImport | None:
        modules = [alias.evaluated_name for alias in node.names]
        if not all(is_of_fastmcp(module) for module in modules) or self._still_used & set(modules):
            return None
        return _TakenImport({}, [])

    def _report(self, node: libcst.CSTNode, text: str) -> None:
        line = self.get_metadata(PositionProvider, node).start.line
        self.findings.add(MigrationFinding(line, text))


class _TakenImport:
    """What an import of FastMCP becomes: names with how they are bound, and what is left as it is."""

    def __init__(self, bound: dict[ImportedName, str | None], left: Sequence[libcst.SimpleStatementLine]) -> None:
        self.bound = bound
        self.left = left


def advice(name: ImportedName) -> str:
    """What to do about an import that has no counterpart."""
    if name.name in OTHER_IMPORTS:
        return OTHER_IMPORTS[name.name]
    parts = name.module.split(".")
    paths = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((OTHER_MODULES[path] for path in paths if path in OTHER_MODULES), "has no counterpart")


def import_lines(bound: dict[ImportedName, str | None]) -> list[libcst.SimpleStatementLine]:
    """A line for each module; an alias stays."""
    modules = sorted({name.module for name in bound})
    return [
        _line(module, {name.name: alias for name, alias in bound.items() if name.module == module})
        for module in modules
    ]


def _line(module: str, names: dict[str, str | None]) -> libcst.SimpleStatementLine:
    listed = ", ".join(f"{name} as {alias}" if alias else name for name, alias in sorted(names.items()))
    line = libcst.parse_statement(f"from {module} import {listed}\n")
    assert isinstance(line, libcst.SimpleStatementLine)
    return line


def _binding(before: ImportedName, after: ImportedName, alias: str | None) -> str | None:
    """The alias; also where the name stays in the program because it is not a class."""
    if alias is None and after.module == "logging":
        return before.name
    return alias


def _not_there(bound: dict[ImportedName, str | None], body: Iterable[_Statement]) -> dict[ImportedName, str | None]:
    """Those that no other import of the program has already."""
    there = set()
    for statement in body:
        for small in statement.body if isinstance(statement, libcst.SimpleStatementLine) else ():
            if isinstance(small, libcst.ImportFrom) and small.module and not isinstance(small.names, libcst.ImportStar):
                there |= {ImportedName(dotted(small.module), alias.evaluated_name) for alias in small.names}
    return {name: alias for name, alias in bound.items() if name not in there or alias}


def _first_place(body: Sequence[_Statement]) -> int:
    """Behind the docstring and imports of the future."""
    for index, statement in enumerate(body):
        small = statement.body[0] if isinstance(statement, libcst.SimpleStatementLine) else None
        docstring = isinstance(small, libcst.Expr) and isinstance(small.value, libcst.SimpleString)
        future = isinstance(small, libcst.ImportFrom) and small.module and dotted(small.module) == "__future__"
        if not docstring and not future:
            return index
    return len(body)


def _is_line(statement: libcst.CSTNode) -> bool:
    return isinstance(statement, libcst.SimpleStatementLine)


_PASS = libcst.SimpleStatementLine([libcst.Pass()])
