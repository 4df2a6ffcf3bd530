"""Completion: the scripts, and what the program answers to a shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mcptasks.cli import COMMANDS
from mcptasks.cli.completion_words import words_so_far

BINARIES = Path(sys.executable).parent


def completed(line: str, **environment: str) -> list[str]:
    """What bash is offered for the last word of the line."""
    count = str(len(line.split(" ")) - 1)
    asked = {"COMP_WORDS": line, "COMP_CWORD": count, "_MCPTASKS_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-m", "mcptasks"], env={**asked, **environment}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcptasks", "completion", shell], capture_output=True, text=True, check=True
    )
    assert f"_MCPTASKS_COMPLETE=complete_{shell}" in done.stdout


def test_commands_are_completed() -> None:
    assert completed("mcptasks de") == ["demo", "dev", "describe", "delete"]
    assert set(completed("mcptasks ")) == {entry.name for entry in COMMANDS}


def test_options_are_completed_though_only_one_command_is_loaded() -> None:
    assert completed("mcptasks get --f") == ["--field-selector"]
    assert completed("mcptasks call --sa") == ["--save"]
    assert completed("mcptasks completion z") == ["zsh"]


@pytest.mark.parametrize("command", ["get", "describe", "logs", "cancel", "delete", "workers"])
def test_without_a_cluster_no_names_and_no_noise(command: str, tmp_path: Path) -> None:
    assert completed(f"mcptasks {command} re", KUBECONFIG=str(tmp_path / "none"), HOME=str(tmp_path)) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_the_script() -> None:
    ask = "COMP_WORDS=(mcptasks de); COMP_CWORD=1; _mcptasks_completion mcptasks; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        ["bash", "--norc", "-c", f'eval "$(mcptasks completion bash)"; {ask}'],
        env={"PATH": f"{BINARIES}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["demo", "dev", "describe", "delete"]


@pytest.mark.parametrize("name", ["COMP_WORDS", "_TYPER_COMPLETE_ARGS"])
def test_the_words_so_far_come_without_the_program(name: str) -> None:
    assert words_so_far({name: "mcptasks get -n x"}) == ["get", "-n", "x"]
    assert words_so_far({}) == []
