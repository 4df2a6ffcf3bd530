"""Which changes restart the server of `mcptasks dev`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.authoring.source_filter import SourceFilter


def counts(path: Path, *directories: Path) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    return SourceFilter(directories)(object(), str(path))


@pytest.mark.parametrize("name", ["server.py", "tools/maps.py", "fast.pyx", "env/build_index.py"])
def test_code_counts(tmp_path: Path, name: str) -> None:
    assert counts(tmp_path / name, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "server.pyc",
        ".#server.py",
        "venv/lib/python3.11/site-packages/a.py",
        ".venv/a.py",
        "node_modules/a/b.py",
        "__pycache__/a.py",
        "build/lib/a.py",
        "dist/a.py",
        "tools.egg-info/a.py",
        "deep/.tox/py311/a.py",
        ".git/hooks/a.py",
    ],
)
def test_what_others_have_put_there_does_not(tmp_path: Path, name: str) -> None:
    assert not counts(tmp_path / name, tmp_path)


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "conda-meta"])
def test_a_virtual_environment_of_any_name_does_not(tmp_path: Path, mark: str) -> None:
    matters, file = SourceFilter([tmp_path]), tmp_path / "mine" / "lib" / "a.py"
    file.parent.mkdir(parents=True)
    assert matters(object(), str(file))
    (tmp_path / "mine" / mark).touch()
    assert not matters(object(), str(file)), "one that is made while changes are watched"


def test_code_in_a_directory_that_is_given_counts_whatever_its_path_looks_like(tmp_path: Path) -> None:
    inside = tmp_path / "build" / ".hidden"
    assert counts(inside / "server.py", inside)
    assert counts(inside / "server.py", tmp_path, inside)
    assert not counts(inside / "venv" / "server.py", inside)
