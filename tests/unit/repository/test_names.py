"""A name is used once: classes tell apart without their module, modules without their folder."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.unit.repository.sources import PACKAGES, modules, parsed


def repeated(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def class_names() -> list[str]:
    """Top-level classes without a leading underscore, over all packages."""
    return [
        node.name
        for package in PACKAGES
        for path in modules(package)
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def file_names(package: str) -> list[str]:
    return [path.name for path in modules(package) if path.stem not in ("__init__", "__main__")]


def test_a_public_class_name_is_used_once() -> None:
    assert repeated(class_names()) == set(), "find another name for the newer class"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_file_name_is_used_once_within_a_package(package: str) -> None:
    assert repeated(file_names(package)) == set()
