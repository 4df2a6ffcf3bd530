"""Files and folders of programs, and `mcptasks migrate` on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.cli import main
from mcptasks.migration.findings import MigratedProgram
from mcptasks.migration.program_files import (
    ProgramFile,
    ProgramFileError,
    diff_of,
    migrated_files,
    program_paths,
    read_program,
)

BEFORE = "from fastmcp import FastMCP\r\n\r\nmcp = FastMCP('é')\r\n"
AFTER = "from mcptasks import TaskServer\r\n\r\nmcp = TaskServer('é')\r\n"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "server.py"
    path.write_bytes(BEFORE.encode())
    return path


def run(*words: str) -> int:
    """Run the command line in this process; gives its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["migrate", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_folder_has_its_programs_and_not_what_is_installed_in_it(tmp_path: Path) -> None:
    for name in ("a.py", "b/c.py", ".venv/d.py", "b/__pycache__/e.py", "venv/f.py", "g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert program_paths([tmp_path, tmp_path / "a.py"]) == [tmp_path / "a.py", tmp_path / "b" / "c.py"]


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProgramFileError, match="there is no such file or folder"):
        program_paths([tmp_path / "nothing.py"])


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProgramFileError, match=r"a\.py: cannot be read"):
        read_program(path)


def test_a_file_keeps_its_encoding_and_its_ends_of_lines(program: Path) -> None:
    assert run("--write", str(program)) == 0
    assert program.read_bytes() == AFTER.encode()
    program.write_bytes(("# -*- coding: latin-1 -*-\r\n" + BEFORE).encode("latin-1"))
    assert run("--write", str(program)) == 0
    assert program.read_bytes() == ("# -*- coding: latin-1 -*-\r\n" + AFTER).encode("latin-1")


def test_without_an_option_it_shows_what_would_change(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(program)) == 0
    assert program.read_bytes() == BEFORE.encode()
    printed = capsys.readouterr()
    assert f"--- a/{program}" in printed.out
    assert "+mcp = TaskServer('é')" in printed.out
    assert "1 of 1 programs would change" in printed.err


def test_check_prints_no_difference_and_ends_with_1_until_all_is_done(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--check", str(program)) == 1
    assert capsys.readouterr().out == ""
    assert run("--write", str(program)) == 0
    assert run("--check", str(program)) == 0
    program.write_text("from fastmcp import Client\n")
    assert run("--check", str(program)) == 1


def test_a_program_that_cannot_be_parsed_does_not_keep_the_others(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (program.parent / "broken.py").write_text("from fastmcp import FastMCP\ndef broken(:\n")
    assert run("--write", str(program.parent)) == 1
    assert program.read_bytes() == AFTER.encode()
    assert "broken.py:2: is not a program" in capsys.readouterr().err


def test_writing_and_looking_exclude_each_other(program: Path) -> None:
    assert run("--write", "--check", str(program)) == 2
    assert program.read_bytes() == BEFORE.encode()


def test_a_form_feed_ends_no_line_of_a_difference() -> None:
    before = "from fastmcp import FastMCP\n\x0c\nx = 'a\u2028b'\n"
    diff = diff_of(Path("a.py"), MigratedProgram(before, before.replace("fastmcp", "mcptasks"), ()))
    assert "No newline" not in diff
    assert " \x0c\n x = 'a\u2028b'\n" in diff


def test_an_expression_that_is_too_deep_does_not_keep_the_other_programs() -> None:
    deep = ProgramFile(Path("deep.py"), "utf-8", f"x = {'+'.join(['1'] * 3000)}\n")
    results = migrated_files([deep, ProgramFile(Path("a.py"), "utf-8", BEFORE)])
    assert "too many parts" in str(results[deep.path])
    assert isinstance(results[Path("a.py")], MigratedProgram)
