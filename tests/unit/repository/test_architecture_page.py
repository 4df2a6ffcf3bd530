"""The pages about the code name files and folders that exist, and answer what a contributor looks for first."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.unit.repository.pages import files, folders, pages, prose, spans
from tests.unit.repository.sources import PACKAGES, ROOT, parsed

MOVED = "these have moved: say on the page where they are now"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [
    ARCHITECTURE,
    ROOT / "CONTRIBUTING.md",
    *(page for page in pages() if page.parent == ROOT / "docs" / "decisions"),
]
SUFFIXES = (".py", ".md", ".yaml", ".yml", ".toml", ".json", ".lock", ".svg", ".sh", ".tpl")
NAMED_IN = re.compile(r"`(?:\w+\.)*(\w+)`\s+in\s+`([\w/.]+\.py)`")
"""`name` in `path.py`"""

PATH = re.compile(r"(?!/)[\w.*{},@-]+(?:/[\w.*{},@-]+)*/?")


def is_path(span: str) -> bool:
    """Whether a code span means a file or folder of the repository.

    It does if it ends like one, or if it begins with a file or folder at the repository's root. `tasks/list` does not.
    """
    if not PATH.fullmatch(span) or set(span) <= set("./"):
        return False
    if span.endswith(SUFFIXES):
        return not span.startswith(".")
    first = span.split("/")[0]
    return span.endswith("/") or ("/" in span and (first in folders() or first in files()))


def exists(span: str) -> bool:
    """Whether a file or folder has this path, or one that ends with it: `decide.py`, `deciding/decide.py`."""
    known = folders() if span.endswith("/") else files() | folders()
    path = span.rstrip("/")
    return any(name == path or name.endswith(f"/{path}") for name in known)


def found(span: str) -> list[Path]:
    return [ROOT / name for name in files() if name == span or name.endswith(f"/{span}")]


def defined(path: Path) -> set[str]:
    """All functions, methods, classes and constants of a module."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_paths_that_a_page_names_exist(page: Path) -> None:
    assert [span for span in spans(page) if is_path(span) and not exists(span)] == [], MOVED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_in_a_module_is_there(page: Path) -> None:
    named = NAMED_IN.findall(prose(page))
    missing = [f"{name} in {path}" for name, path in named if not any(name in defined(file) for file in found(path))]
    assert missing == [], MOVED


def test_the_table_says_where_to_look_for_forty_things_and_more() -> None:
    table = prose(ARCHITECTURE).partition("## To change X, look in Y")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith(("| **", "| X |"))]
    assert len(rows) > 40
    assert [row for row in rows if not any(exists(span) for span in re.findall(r"`([^`]+)`", row))] == []


def test_the_figure_shows_every_package() -> None:
    figure = (ROOT / "docs" / "images" / "architecture.svg").read_text()
    shown = set(re.findall(r">(\w+)</text>", figure))
    packages = {path.parent.name for root in PACKAGES.values() for path in root.glob("*/__init__.py")}
    assert packages | set(PACKAGES) <= shown


@pytest.mark.parametrize("span", ["decide.py", "deciding/decide.py", "tests/unit", "server/mcptasks/model/", "crds/"])
def test_paths_are_recognised_and_found(span: str) -> None:
    assert is_path(span)
    assert exists(span)


@pytest.mark.parametrize("span", ["nowhere.py", "gateway/decide.py", "tests/nothing", "server/mcptasks/wire/"])
def test_paths_that_do_not_exist_are_noticed(span: str) -> None:
    assert is_path(span)
    assert not exists(span)


@pytest.mark.parametrize("span", ["tasks/list", "/readyz", "mcptasks.dev/task", "pods/log", ".spec.phase", "a b/c"])
def test_what_only_looks_like_a_path_is_none(span: str) -> None:
    assert not is_path(span)
