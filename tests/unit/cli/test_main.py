"""The command itself: help, versions, exit codes, what is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mcptasks.cli import COMMANDS, complete_home, main
from mcptasks.settings import Settings


def run(*words: str) -> int:
    """Run the command line in this process; gives its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    code = ended.value.code
    assert isinstance(code, int)
    return code


def test_the_list_of_commands_names_each_with_a_line_of_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    out = capsys.readouterr().out
    for entry in COMMANDS:
        assert f"\n  {entry.name} " in out


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_each_command_has_help_and_an_example_that_names_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    out = capsys.readouterr().out
    assert f"Usage: mcptasks {name}" in out
    assert "list[" not in out
    assert "]...]" not in out
    assert "...}..." not in out
    example = out[out.index("Example:") :].splitlines()[1]
    assert f"mcptasks {name}" in example


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("mcptasks 0.")


@pytest.mark.parametrize("words", [("nope",), ("get", "--nope"), ("call",), ("dev", "--port", "x", "a.py"), ()])
def test_wrong_usage_ends_with_2(words: tuple[str, ...]) -> None:
    assert run(*words) == 2


def test_module_and_script_are_the_same() -> None:
    outputs = [
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        for command in ([sys.executable, "-m", "mcptasks"], [str(Path(sys.executable).with_name("mcptasks"))])
    ]
    assert outputs[0] == outputs[1] != ""


LOADED = """
import sys
from mcptasks.cli import application
application(sys.argv[1:])
heavy = ("mcp", "kopf", "kubernetes", "rich", "watchfiles", "uvicorn", "mcptasks_embedded", "mcptasks_operator")
print(*(name for name in heavy if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [
        ("--help", {"mcp", "kopf", "kubernetes", "watchfiles", "uvicorn", "mcptasks_embedded"}),
        ("crds", {"mcp", "kopf", "kubernetes", "watchfiles", "uvicorn", "mcptasks_embedded"}),
        ("get", {"mcp", "kopf", "watchfiles", "uvicorn", "mcptasks_embedded"}),
        ("call", {"mcp", "kopf", "kubernetes", "watchfiles", "uvicorn", "mcptasks_embedded"}),
        ("run", {"kopf", "kubernetes", "mcptasks_embedded", "mcptasks_operator"}),
        ("operator", {"mcp", "watchfiles", "uvicorn", "mcptasks_embedded"}),
    ],
)
def test_a_command_loads_only_what_it_needs(command: str, unwanted: set[str]) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED, command], capture_output=True, text=True, check=True
    ).stdout.split()
    assert unwanted.isdisjoint(loaded)


def test_crds_come_as_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    main_exits_ok("crds")
    names = [crd["metadata"]["name"] for crd in yaml.safe_load_all(capsys.readouterr().out)]
    assert names == ["mcptasks.mcptasks.dev", "mcptasktemplates.mcptasks.dev"]


def test_crds_can_be_written_to_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_exits_ok("crds", "--output", str(tmp_path / "new"))
    written = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert written == ["mcptasks.yaml", "mcptasktemplates.yaml"]
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == written


def test_crds_cannot_be_written_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run("crds", "--output", str(tmp_path / "file" / "below")) == 1
    assert capsys.readouterr().err.startswith("Error: ")


def test_the_reference_has_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    main_exits_ok("settings", "-o", "json")
    reference = json.loads(capsys.readouterr().out)
    assert [entry["variable"] for entry in reference] == [f"MCPTASKS_{name.upper()}" for name in Settings.model_fields]
    assert all(entry["description"] for entry in reference)


def test_a_default_in_the_reference_is_what_the_variable_would_have_to_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main_exits_ok("settings", "-o", "json")
    for entry in json.loads(capsys.readouterr().out):
        if entry["default"] is not None:
            monkeypatch.setenv(entry["variable"], entry["default"])
    set_by_hand = Settings()
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MCPTASKS_{name.upper()}", raising=False)
    assert set_by_hand == Settings()


def test_the_reference_in_markdown_is_a_title_and_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    main_exits_ok("settings", "-o", "markdown")
    title, _, _, _, *lines = capsys.readouterr().out.splitlines()
    assert title == "# Settings"
    assert len(lines) == len(Settings.model_fields) + 2
    assert all(line.startswith("|") and line.endswith("|") for line in lines)


def main_exits_ok(*words: str) -> None:
    assert run(*words) == 0


def test_a_user_that_has_no_home_gets_one_before_libraries_look_for_it() -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    environ: dict[str, str] = {}
    complete_home(environ, unknown)
    assert environ == {"HOME": "/"}


def test_one_that_has_keeps_it() -> None:
    environ: dict[str, str] = {}
    complete_home(environ, lambda: Path("/srv/ada"))
    assert environ == {}
