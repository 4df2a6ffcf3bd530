"""What the packages import is declared in pyproject.toml, and what is declared there is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

from tests.unit.repository.sources import PACKAGES, ROOT, modules, parsed


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = (re.match(r"[\w.-]+", requirement) for requirement in project["dependencies"])
    return {normalised(name.group()) for name in names if name is not None}


def imports(tree: ast.Module) -> Iterator[str]:
    """Top packages of all imports, those in functions and for type checkers included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def imported() -> set[str]:
    """Distributions that the packages import from."""
    roots = {name for package in PACKAGES for path in modules(package) for name in imports(parsed(path))}
    foreign = roots - set(PACKAGES) - set(sys.stdlib_module_names)
    known = packages_distributions()
    return {normalised(distribution) for name in foreign for distribution in known.get(name, [f"(no owner: {name})"])}


def test_everything_that_is_imported_is_declared() -> None:
    assert imported() - declared() == set()


def test_nothing_that_is_declared_is_unused() -> None:
    assert declared() - imported() == set()
