"""What decides reads no clock and no file: it goes by what it is handed. Imports are checked by their contract."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks_operator import deciding

MODULES = sorted(Path(deciding.__path__[0]).glob("*.py"))
IMPURE = frozenset({"now", "utc_now", "utcnow", "today", "time", "monotonic", "perf_counter", "open", "input", "print"})


def called_names(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_that_decides_reads_no_clock_and_no_file(path: Path) -> None:
    assert IMPURE.isdisjoint(called_names(path.read_text()))


@pytest.mark.parametrize("code", ["datetime.now(UTC)", "utc_now()", "time.time()", "Path(name).open()"])
def test_such_a_call_is_recognised(code: str) -> None:
    assert not IMPURE.isdisjoint(called_names(code))


def test_all_modules_that_decide_are_looked_at() -> None:
    assert {"decide", "cleanup", "manifests", "statuses"} <= {path.stem for path in MODULES}
