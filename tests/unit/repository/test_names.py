"""A name is used once: classes tell apart without their module, modules without their folder."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.unit.repository.sources import PACKAGES, ROOT, modules, parsed

PROGRAMS = ("*tools.py", "returns.py", "server.py", "server_program.py")
"""Files of the tests that are programs of their own: their classes are what users would write."""


def repeated(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def public_classes(paths: Iterable[Path]) -> list[str]:
    """Names of top-level classes without a leading underscore."""
    return [
        node.name
        for path in paths
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def class_names() -> list[str]:
    """Public classes over all packages."""
    return public_classes(path for package in PACKAGES for path in modules(package))


def names_of_test_classes() -> list[str]:
    """Public classes of the tests, without those that hold tests, and without programs."""
    paths = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if path.parent.name != "programs" and not any(path.match(pattern) for pattern in PROGRAMS)
    ]
    return [name for name in public_classes(paths) if not name.startswith("Test")]


def file_names(package: str) -> list[str]:
    return [path.name for path in modules(package) if path.stem not in ("__init__", "__main__")]


def test_a_public_class_name_is_used_once() -> None:
    assert repeated(class_names()) == set(), "find another name for the newer class"


def test_no_class_of_the_tests_has_the_name_of_another() -> None:
    names = names_of_test_classes()
    assert repeated(names) == set(), "find another name for the newer class"
    assert set(names) & set(class_names()) == set(), "the tests import the other one as well"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_file_name_is_used_once_within_a_package(package: str) -> None:
    assert repeated(file_names(package)) == set()
