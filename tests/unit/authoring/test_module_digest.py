"""The digest of a module: the same for the same code, wherever it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks.authoring.module_digest import module_digest


def project(folder: Path) -> Path:
    """A file with a package beside it; gives the file."""
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers" / "__init__.py").write_text("one = 1\n")
    (folder / "server.py").write_text("mcp = 1\n")
    return folder / "server.py"


def test_the_same_code_elsewhere_is_the_same(tmp_path: Path) -> None:
    assert module_digest(str(project(tmp_path / "a"))) == module_digest(str(project(tmp_path / "b")))


@pytest.mark.parametrize("changed", ["server.py", "helpers/__init__.py", "helpers/new.py"])
def test_any_change_of_own_code_is_seen(tmp_path: Path, changed: str) -> None:
    server = project(tmp_path)
    before = module_digest(str(server))
    (tmp_path / changed).write_text("two = 2\n")
    assert module_digest(str(server)) != before


@pytest.mark.parametrize("changed", ["data.csv", ".venv/lib.py", "__pycache__/server.py", "env/lib/x.py"])
def test_what_is_not_own_code_makes_no_difference(tmp_path: Path, changed: str) -> None:
    server = project(tmp_path)
    before = module_digest(str(server))
    file = tmp_path / changed
    file.parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / "env").mkdir(exist_ok=True)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    file.write_text("two = 2\n")
    assert module_digest(str(server)) == before


def test_the_server_that_is_named_and_the_prefix_of_another_count(tmp_path: Path) -> None:
    server = project(tmp_path)
    texts = [str(server), f"{server}:mcp", f"{server},geo={server}", f"{server},map={server}"]
    assert len({module_digest(text) for text in texts}) == len(texts)


@pytest.fixture
def importable(tmp_path: Path) -> Iterator[Path]:
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))


def test_a_module_by_name_is_its_package_and_a_single_file_itself(importable: Path) -> None:
    project(importable)
    package, single = module_digest("helpers.deep"), module_digest("server")
    (importable / "helpers" / "__init__.py").write_text("changed = 1\n")
    assert module_digest("helpers.deep") != package
    assert module_digest("server") == single


def test_what_is_not_there_has_a_digest_too(tmp_path: Path) -> None:
    assert module_digest(str(tmp_path / "none.py")) == module_digest(str(tmp_path / "none.py"))
    assert module_digest("no_such_module_anywhere") == module_digest("no_such_module_anywhere")
