"""The imports of a program that was moved over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import libcst
from libcst.metadata import PositionProvider

from mcptasks.migration.findings import MigrationFinding
from mcptasks.migration.program_names import ProgramNames, bound_name, dotted, is_of_fastmcp
from mcptasks.migration.rules import DROPPED_IMPORTS, IMPORTS, OTHER_IMPORTS, OTHER_MODULES, ImportedName

_Statement = libcst.SimpleStatementLine | libcst.BaseCompoundStatement
_Bound = Mapping[ImportedName, set[str | None]]
"""Names that are imported, with how they are bound: by aliases, or by their own name (None)."""


class ImportRewrite(libcst.CSTTransformer):
    """Imports counterparts instead of FastMCP, and leaves what has none, which is told.

    Args:
        names: what the program names.
        needed: what the rewritten program uses besides the counterparts of its imports.
        still_used: names that `import fastmcp` binds and that are used for something without a counterpart.
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
        """Imports at the top come together, where the first of FastMCP's stood, with the comments above all of them."""
        body: list[_Statement] = []
        place: int | None = None
        taken = _TakenImport({name: {None} for name in self._needed})
        leading: list[libcst.EmptyLine] = []
        for statement, updated in zip(original_node.body, updated_node.body, strict=True):
            found = self._taken(statement) if isinstance(statement, libcst.SimpleStatementLine) else None
            if found is None:
                body.append(updated)
                continue
            assert isinstance(statement, libcst.SimpleStatementLine)
            above = statement.leading_lines
            leading += above if place is None else [line for line in above if line.comment is not None]
            place = len(body) if place is None else place
            taken.bind(found.bound)
            if found.left:
                blank = [line for line in above if line.comment is None]
                body.append(statement.with_changes(body=found.left, leading_lines=blank))
        if place is None and not taken.bound:
            return updated_node
        at = _first_place(body) if place is None else place
        lines = import_lines(_not_there(taken.bound, body))
        return updated_node.with_changes(body=_below([*body[:at], *lines, *body[at:]], at, leading))

    def leave_SimpleStatementLine(  # noqa: N802
        self, original_node: libcst.SimpleStatementLine, updated_node: libcst.SimpleStatementLine
    ) -> libcst.SimpleStatementLine | libcst.FlattenSentinel[libcst.SimpleStatementLine]:
        """Imports elsewhere, as in functions, stay where they are."""
        taken = self._taken(original_node) if self._depth else None
        if taken is None:
            return updated_node
        left = [original_node.with_changes(body=taken.left)] if taken.left else []
        lines = [*import_lines(taken.bound), *left] or [_PASS]
        lines = [line.with_changes(leading_lines=[]) for line in lines]
        return libcst.FlattenSentinel([lines[0].with_changes(leading_lines=original_node.leading_lines), *lines[1:]])

    def leave_SimpleStatementSuite(  # noqa: N802
        self, original_node: libcst.SimpleStatementSuite, updated_node: libcst.SimpleStatementSuite
    ) -> libcst.SimpleStatementSuite:
        """An import behind a colon: `if TYPE_CHECKING: from fastmcp import Context`."""
        taken = self._taken(original_node)
        if taken is None:
            return updated_node
        imports = [line.body[0] for line in import_lines(taken.bound)]
        return updated_node.with_changes(body=[*imports, *taken.left] or [libcst.Pass()])

    def _taken(self, line: libcst.SimpleStatementLine | libcst.SimpleStatementSuite) -> _TakenImport | None:
        """What becomes of the imports of FastMCP in a line; None where there are none to change."""
        whole, changed = _TakenImport({}), False
        for statement in line.body:
            taken = None
            if isinstance(statement, libcst.ImportFrom):
                taken = self._taken_from(statement)
            elif isinstance(statement, libcst.Import):
                taken = self._taken_module(statement)
            whole.left += [statement] if taken is None else taken.left
            if taken is not None:
                whole.bind(taken.bound)
                changed = True
        whole.left = [each.with_changes(semicolon=libcst.MaybeSentinel.DEFAULT) for each in whole.left]
        return whole if changed else None

    def _taken_from(self, node: libcst.ImportFrom) -> _TakenImport | None:
        module = "" if node.module is None else dotted(node.module)
        if node.relative or not is_of_fastmcp(module):
            return None
        if isinstance(node.names, libcst.ImportStar):
            self._report(node, f"`from {module} import *`: import what is used by its name")
            return None
        taken = _TakenImport({})
        left = []
        for alias in node.names:
            name = ImportedName(module, alias.evaluated_name)
            if (alias.evaluated_alias or alias.evaluated_name) in self._unused:
                continue
            if name in IMPORTS:
                taken.bind({IMPORTS[name]: {_binding(name, IMPORTS[name], alias.evaluated_alias)}})
            elif name not in DROPPED_IMPORTS:
                self._report(node, f"`{name.name}` of `{module}`: {advice(name)}")
                left.append(alias)
        if left:
            rest = [*left[:-1], left[-1].with_changes(comma=libcst.MaybeSentinel.DEFAULT)]
            taken.left = [node.with_changes(names=rest)]
        return taken

    def _taken_module(self, node: libcst.Import) -> _TakenImport | None:
        left = [
            alias
            for alias in node.names
            if not is_of_fastmcp(alias.evaluated_name) or bound_name(alias) in self._still_used
        ]
        if len(left) == len(node.names):
            return None
        if not left:
            return _TakenImport({})
        left[-1] = left[-1].with_changes(comma=libcst.MaybeSentinel.DEFAULT)
        return _TakenImport({}, [node.with_changes(names=left)])

    def _report(self, node: libcst.CSTNode, text: str) -> None:
        line = self.get_metadata(PositionProvider, node).start.line
        self.findings.add(MigrationFinding(line, text))


@dataclass
class _TakenImport:
    """What imports of FastMCP become: names with how they are bound, and what is left of the line."""

    bound: dict[ImportedName, set[str | None]]
    left: list[libcst.BaseSmallStatement] = field(default_factory=list)

    def bind(self, names: _Bound) -> None:
        """Import these names too."""
        for name, aliases in names.items():
            self.bound.setdefault(name, set()).update(aliases)


def advice(name: ImportedName) -> str:
    """What to do about an import that has no counterpart."""
    if name.name in OTHER_IMPORTS:
        return OTHER_IMPORTS[name.name]
    parts = name.module.split(".")
    paths = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((OTHER_MODULES[path] for path in paths if path in OTHER_MODULES), "has no counterpart")


def import_lines(bound: _Bound) -> list[libcst.SimpleStatementLine]:
    """A line for each module; an alias stays."""
    modules = sorted({name.module for name in bound})
    return [_line(module, {name.name: bound[name] for name in bound if name.module == module}) for module in modules]


def _line(module: str, names: Mapping[str, set[str | None]]) -> libcst.SimpleStatementLine:
    listed = [
        f"{name} as {alias}" if alias else name
        for name, aliases in sorted(names.items())
        for alias in sorted(aliases, key=lambda alias: alias or "")
    ]
    line = libcst.parse_statement(f"from {module} import {', '.join(listed)}\n")
    assert isinstance(line, libcst.SimpleStatementLine)
    return line


def _binding(before: ImportedName, after: ImportedName, alias: str | None) -> str | None:
    """The alias; also where the name stays in the program because it is not a class."""
    if after.module == "logging":
        return alias or before.name
    # `import FastMCP as FastMCP` says that it is exported; the name is replaced all the same.
    return None if alias == before.name else alias


def _not_there(bound: _Bound, body: Iterable[_Statement]) -> _Bound:
    """Those that no other import of the program has already."""
    there = set()
    for statement in body:
        for small in statement.body if isinstance(statement, libcst.SimpleStatementLine) else ():
            if isinstance(small, libcst.ImportFrom) and small.module and not isinstance(small.names, libcst.ImportStar):
                there |= {
                    (ImportedName(dotted(small.module), alias.evaluated_name), alias.evaluated_alias)
                    for alias in small.names
                }
    missing = {name: {alias for alias in aliases if (name, alias) not in there} for name, aliases in bound.items()}
    return {name: aliases for name, aliases in missing.items() if aliases}


def _below(body: Sequence[_Statement], at: int, leading: Sequence[libcst.EmptyLine]) -> Sequence[_Statement]:
    """The statements with lines above that at the index; of an import that is taken out its comments stay."""
    if not leading or at >= len(body):
        return body
    first = body[at]
    if isinstance(first, libcst.SimpleStatementLine) and not first.leading_lines:
        above = [*leading]
    else:
        above = [*(line for line in leading if line.comment is not None), *first.leading_lines]
    return [*body[:at], first.with_changes(leading_lines=above), *body[at + 1 :]]


def _first_place(body: Sequence[_Statement]) -> int:
    """Behind the docstring and imports of the future."""
    for index, statement in enumerate(body):
        small = statement.body[0] if isinstance(statement, libcst.SimpleStatementLine) else None
        docstring = isinstance(small, libcst.Expr) and isinstance(small.value, libcst.SimpleString)
        future = isinstance(small, libcst.ImportFrom) and small.module and dotted(small.module) == "__future__"
        if not docstring and not future:
            return index
    return len(body)


_PASS = libcst.SimpleStatementLine([libcst.Pass()])
