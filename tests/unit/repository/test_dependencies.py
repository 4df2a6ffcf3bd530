"""What is imported is declared in pyproject.toml, and what the packages declare there is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import files, packages_distributions
from pathlib import Path

import pytest

from tests.unit.repository.sources import PACKAGES, ROOT, modules, parsed

DEVELOPMENT = ("benchmarks", "release", "tests", "website")
"""Folders with code that the packages do not have."""

ELSEWHERE = ("tests/clients/programs", "tests/migration/programs", "benchmarks/programs")
"""Programs for other environments than ours."""

OF_THE_REPOSITORY = {*DEVELOPMENT, *PACKAGES, "acme", "hatch_build"}
"""Top modules that no distribution has. `acme` is made by a test."""


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    """What users install, with what commands need that a plain installation lacks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (text for name, texts in project["optional-dependencies"].items() if name != "dev" for text in texts)
    return names_of((*project["dependencies"], *extras))


def declared_for_development() -> set[str]:
    """What `make` installs to test and document, beside what users install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return names_of(project["optional-dependencies"]["dev"])


def names_of(requirements: Iterable[str]) -> set[str]:
    names = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {normalised(name.group()) for name in names if name is not None}


def imports(tree: ast.Module) -> Iterator[str]:
    """Modules of all imports, those in functions and for type checkers included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@cache
def imported() -> set[str]:
    """Distributions that the packages import from."""
    names = {name for package in PACKAGES for path in modules(package) for name in imports(parsed(path))}
    ours = set(PACKAGES) | set(sys.stdlib_module_names)
    known = packages_distributions()
    foreign = {name for name in names if name.partition(".")[0] not in ours}
    return {normalised(owner) for name in foreign for owner in owners(name, known)}


def owners(module: str, known: Mapping[str, list[str]]) -> list[str]:
    """The distributions that the module may be from: of those that share a namespace, the ones that have it."""
    candidates = known.get(module.partition(".")[0], [f"(no owner: {module})"])
    folder = module.replace(".", "/")
    having = [name for name in candidates if len(candidates) > 1 and _has(name, folder)]
    return having or candidates


def _has(name: str, folder: str) -> bool:
    return any(str(file).startswith((f"{folder}/__init__", f"{folder}.py")) for file in files(name) or ())


def test_everything_that_is_imported_is_declared() -> None:
    assert imported() - declared() == set()


@pytest.mark.parametrize("folder", DEVELOPMENT)
def test_what_tests_and_tools_import_is_declared_for_development_if_not_for_users(folder: str) -> None:
    """A module of a namespace that distributions share counts as declared if one of them is."""
    known, enough = packages_distributions(), declared() | declared_for_development()
    names = {name for path in sources(folder) for name in imports(parsed(path))}
    foreign = {name for name in names if name.partition(".")[0] not in OF_THE_REPOSITORY | set(sys.stdlib_module_names)}
    assert {name for name in foreign if not {normalised(owner) for owner in owners(name, known)} & enough} == set()


def sources(folder: str) -> list[Path]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    return [path for path in paths if not path.relative_to(ROOT).as_posix().startswith(ELSEWHERE)]


def test_nothing_that_is_declared_is_unused() -> None:
    assert declared() - imported() == set()
