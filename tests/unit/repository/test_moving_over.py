"""Programs for FastMCP move over with the changes of docs/compared-with-fastmcp.md, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "compared-with-fastmcp.md"
PROGRAMS = sorted(path.parent for path in (ROOT / "examples" / "from_fastmcp").glob("*/before.py"))

ANY = "*"
Import = tuple[str, str]
"""Module and name."""


@dataclass(frozen=True)
class MovedProgram:
    """A program, for comparison: what it imports in any order, and its code without comments and docstring."""

    imports: frozenset[Import]
    code: str

    @classmethod
    def parse(cls, source: str) -> MovedProgram:
        statements = ast.parse(source).body[1:]
        imports = [node for node in statements if isinstance(node, ast.ImportFrom)]
        rest: list[ast.stmt] = [node for node in statements if node not in imports]
        names = frozenset((node.module or "", alias.name) for node in imports for alias in node.names)
        return cls(names, ast.unparse(ast.Module(rest, [])))


@dataclass(frozen=True)
class Changes:
    """The table of the document: imports, and text in all other lines."""

    imports: dict[Import, Import | None]
    texts: dict[str, str]

    @classmethod
    def documented(cls) -> Changes:
        section = DOCUMENT.read_text().partition("## Moving a server over")[2].partition("What needs a hand")[0]
        rows = re.findall(r"^\| `([^`]+)` \| (?:`([^`]+)`|nothing) \|$", section, re.MULTILINE)
        texts, imports = {}, {}
        for before, after in rows:
            found = _import(before)
            if found is None:
                texts[before] = after
            else:
                imports[found] = _import(after)
        return cls(imports, texts)

    def make(self, source: str) -> MovedProgram:
        """The program, moved over."""
        for before, after in self.texts.items():
            # A word ends where the text ends: `@mcp.tool` is not the beginning of `@mcp.tool(`.
            end = r"(?![\w(])" if before[-1].isalnum() else ""
            source = re.sub(re.escape(before) + end, lambda _found, after=after: after, source)  # type: ignore[misc]
        program = MovedProgram.parse(source)
        return MovedProgram(frozenset(self._imported(program.imports)), program.code)

    def _imported(self, imports: frozenset[Import]) -> Iterator[Import]:
        for module, name in imports:
            moved = self.imports.get((module, name), (module, name))
            if (module, ANY) in self.imports:
                moved = ((self.imports[module, ANY] or ("", ""))[0], name)
            if moved is not None:
                yield moved


def _import(text: str) -> Import | None:
    found = re.fullmatch(r"from (\S+) import (\S+)", text)
    return None if found is None else (found[1], found[2])


@pytest.fixture(scope="module")
def changes() -> Changes:
    return Changes.documented()


def test_there_are_three_programs_of_some_size() -> None:
    sizes = {path.name: len((path / "before.py").read_text().splitlines()) for path in PROGRAMS}
    assert len(sizes) == 3
    assert all(size >= 50 for size in sizes.values()), sizes


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_the_documented_changes_are_all_that_is_needed(program: Path, changes: Changes) -> None:
    moved = changes.make((program / "before.py").read_text())
    after = MovedProgram.parse((program / "after.py").read_text())
    assert moved.code == after.code
    assert moved.imports == after.imports


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        ("async def", "def"),
        ("TaskServer(", "Server("),
        ("from pydantic", "from pedantic"),
        ("mcp.run(", "mcp.serve("),
    ],
)
def test_any_other_change_would_be_noticed(wanted: str, other: str, changes: Changes) -> None:
    for program in PROGRAMS:
        source = (program / "after.py").read_text()
        assert wanted in source
        after = MovedProgram.parse(source.replace(wanted, other, 1))
        assert changes.make((program / "before.py").read_text()) != after


def test_nothing_of_fastmcp_is_left(changes: Changes) -> None:
    for program in PROGRAMS:
        moved = changes.make((program / "before.py").read_text())
        assert not [module for module, _ in moved.imports if module.startswith("fastmcp")]
        assert "fastmcp" not in moved.code.lower()
