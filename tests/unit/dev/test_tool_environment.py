"""Which variables tools see in `mcptasks dev`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.dev.tool_environment import DevEnvironment, EnvironmentFileError, read_environment_file

OWN = {
    "PATH": "/bin",
    "HOME": "/opt/ada",
    "API_KEY": "k",
    "MCPTASKS_TASK_TOOLS": "true",
    "MCPTASKS_TASK_ID": "other",
    "TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "variables"


def test_tools_see_the_developers_variables_and_none_of_ours() -> None:
    made = DevEnvironment.of(OWN)
    assert made.tools == {"PATH": "/bin", "HOME": "/opt/ada", "API_KEY": "k"}
    assert made.settings == {"MCPTASKS_TASK_TOOLS": "true", "MCPTASKS_TASK_ID": "other"}


def test_a_clean_environment_has_what_no_program_can_do_without() -> None:
    made = DevEnvironment.of(OWN, clean=True)
    assert made.tools == {"PATH": "/bin", "HOME": "/opt/ada"}
    assert made.settings == DevEnvironment.of(OWN).settings


def test_files_come_on_top_and_bring_settings_too(file: Path, tmp_path: Path) -> None:
    file.write_text("API_KEY=from-file\nONLY=here\nMCPTASKS_TASK_TOOLS=false\n")
    later = tmp_path / "later"
    later.write_text("ONLY=there\n")
    made = DevEnvironment.of(OWN, [file, later], clean=True)
    assert made.tools == {"PATH": "/bin", "HOME": "/opt/ada", "API_KEY": "from-file", "ONLY": "there"}
    assert made.settings["MCPTASKS_TASK_TOOLS"] == "false"


def test_a_file_is_read_as_a_shell_does(file: Path) -> None:
    file.write_text("# keys\n\nA=1\nexport B='two words' # why\nC=\"a=b\"\nEMPTY=\nURL=http://h/p?q=1&r=2\n")
    wanted = {"A": "1", "B": "two words", "C": "a=b", "EMPTY": "", "URL": "http://h/p?q=1&r=2"}
    assert read_environment_file(file) == wanted


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("KEY", ":2: write NAME=value"),
        ("1KEY=s3cret", ":2: write NAME=value"),
        ("KEY=s3cret words", r":2: put the value of KEY in quotes: KEY=\"...\""),
        ("KEY='s3cret", ":2: a quotation mark is not closed"),
    ],
)
def test_a_wrong_line_is_named_and_its_value_is_not(file: Path, line: str, message: str) -> None:
    file.write_text(f"A=1\n{line}\n")
    with pytest.raises(EnvironmentFileError, match=message) as caught:
        read_environment_file(file)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(EnvironmentFileError, match="variables cannot be read: No such file or directory"):
        read_environment_file(file)
