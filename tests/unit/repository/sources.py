"""The packages of the repository, as their source files."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = {
    "mcptasks": ROOT / "server" / "mcptasks",
    "mcptasks_embedded": ROOT / "embedded" / "mcptasks_embedded",
    "mcptasks_operator": ROOT / "operator" / "mcptasks_operator",
}


def modules(package: str) -> list[Path]:
    """All modules of a top package."""
    return sorted(PACKAGES[package].rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))
