"""A worker goes by clocks that nobody sets."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.unit.repository.sources import ROOT, parsed

MODULES = sorted((ROOT / "server" / "mcptasks" / "worker").glob("*.py"))
WALL_CLOCK = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "time.localtime"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.name))
def test_no_module_of_the_worker_reads_the_time_of_day(module: Path) -> None:
    called = {ast.unparse(node.func) for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)}
    assert not called & WALL_CLOCK
