"""docs/protocol.md names tests: they exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
DOCUMENT = TESTS.parent / "docs" / "protocol.md"
NAMED = re.compile(r"`([\w/]+\.py)::([\w:]+)`")


@cache
def defined(path: Path) -> frozenset[str]:
    """All tests of a file, `test_name` or `TestClass::test_name`."""
    tree = ast.parse(path.read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    methods = [
        f"{node.name}::{inner.name}"
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return frozenset([*functions, *methods])


def rows() -> list[str]:
    """The rules: all rows of all tables, without the heads."""
    lines = DOCUMENT.read_text().splitlines()
    return [line for line in lines if line.startswith("|") and not line.startswith(("| Rule |", "|---"))]


@pytest.mark.parametrize("row", rows())
def test_each_rule_names_tests_that_exist(row: str) -> None:
    named = NAMED.findall(row)
    assert named, "no test is named"
    missing = [f"{path}::{name}" for path, name in named if name not in defined(TESTS / path)]
    assert not missing
