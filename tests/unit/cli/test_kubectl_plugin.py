"""The program as a plugin of kubectl: its words, its help, its completion."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mcptasks.cli import COMMANDS, main
from mcptasks.cli.invocation import COMPLETION_FILE, PLUGIN_COMMANDS, PLUGIN_FILE, CalledAs, command_first
from mcptasks.cli.kubectl_plugin import answer, question
from tests.unit.repository.sources import ROOT


def plugin(*words: str) -> int:
    """Run the plugin in this process; gives its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(words, CalledAs.PLUGIN)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def asked(tmp_path: Path, *words: str) -> list[str]:
    """What kubectl is told that the last word may be, on a machine that knows no cluster."""
    program = tmp_path / COMPLETION_FILE
    program.write_text("from mcptasks.cli.kubectl_plugin import complete\ncomplete()\n")
    environment = {"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(program), *words], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        ([], []),
        (["get", "-n", "team"], ["get", "-n", "team"]),
        (["-n", "team", "get", "a"], ["get", "-n", "team", "a"]),
        (["--context=prod", "-A", "get"], ["get", "--context=prod", "-A"]),
        (["--help"], ["--help"]),
        (["-n"], ["-n"]),
    ],
)
def test_options_may_stand_before_the_command_as_those_of_kubectl_do(given: list[str], ordered: list[str]) -> None:
    assert command_first(given) == ordered


@pytest.mark.parametrize(
    ("file", "called_as"),
    [
        ("/venv/bin/mcptasks", CalledAs.PROGRAM),
        ("/lib/mcptasks/__main__.py", CalledAs.PROGRAM),
        ("/venv/bin/kubectl-mcptasks", CalledAs.PLUGIN),
        ("kubectl-mcptasks.exe", CalledAs.PLUGIN),
        ("/venv/bin/kubectl_complete-mcptasks", CalledAs.PLUGIN),
    ],
)
def test_the_name_of_the_file_says_how_the_program_was_called(file: str, called_as: CalledAs) -> None:
    assert CalledAs.of(file) is called_as


@pytest.mark.parametrize(
    ("text", "worded"),
    [
        ("see `mcptasks get -A`", "see `kubectl mcptasks get -A`"),
        ("`kubectl get mcptasks` shows the same", "`kubectl get mcptasks` shows the same"),
        (
            "install them with `mcptasks crds | kubectl apply -f -`",
            "install them with `mcptasks crds | kubectl apply -f -`",
        ),
        ("`kubectl mcptasks get`", "`kubectl mcptasks get`"),
        ("mcptasks.dev/component", "mcptasks.dev/component"),
    ],
)
def test_messages_name_commands_as_the_user_types_them(text: str, worded: str) -> None:
    assert CalledAs.PLUGIN.worded(text) == worded
    assert CalledAs.PROGRAM.worded(text) == text


def test_the_plugin_has_the_commands_that_are_about_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(PLUGIN_COMMANDS) <= {entry.name for entry in COMMANDS}
    assert plugin("--help") == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: kubectl mcptasks [OPTIONS] COMMAND")
    assert all(f"\n  {name} " in out for name in PLUGIN_COMMANDS)
    assert "operator" not in out
    assert plugin("serve") == 2


@pytest.mark.parametrize("name", PLUGIN_COMMANDS)
def test_help_and_examples_are_those_of_the_plugin(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin(name, "--help") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: kubectl mcptasks {name}")
    assert f"kubectl mcptasks {name}" in out[out.index("Example:") :]
    assert "mcptasks dev" not in out


def test_a_name_of_a_task_that_cannot_be_is_refused_in_the_words_of_kubectl(capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin("get", "a", "-A") == 2
    assert "use -n instead of -A" in capsys.readouterr().err


def test_kubectl_is_offered_commands_with_what_they_do(tmp_path: Path) -> None:
    lines = asked(tmp_path, "")
    assert lines[-1] == ":4"
    assert "logs\tPrint what a task's tool printed." in lines
    assert {line.split("\t")[0] for line in lines[:-1]} == set(PLUGIN_COMMANDS)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["lo"], ["logs", ":4"]),
        (["-n", "team", "get", "--f"], ["--field-selector", ":4"]),
        (["get", "-o", "w"], ["wide", ":4"]),
        (["get", "--kubeconfig", ""], [":0"]),
        (["get", "rep"], [":4"]),
    ],
)
def test_kubectl_is_offered_what_can_follow(tmp_path: Path, words: list[str], offered: list[str]) -> None:
    assert [line.split("\t")[0] for line in asked(tmp_path, *words)] == offered


def test_contexts_are_those_of_the_kubeconfig(tmp_path: Path) -> None:
    contexts = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("prod", "play", "test")]
    clusters, users = [{"name": "c", "cluster": {"server": "https://h"}}], [{"name": "u", "user": {}}]
    config = {"contexts": contexts, "current-context": "prod", "clusters": clusters, "users": users}
    (tmp_path / "none").write_text(json.dumps(config))
    assert asked(tmp_path, "get", "--context", "p") == ["play", "prod", ":4"]


def test_a_word_that_has_not_begun_is_not_taken_for_the_one_before() -> None:
    assert question(["get", ""])["_TYPER_COMPLETE_ARGS"] == "mcptasks get"
    assert question(["get", "a b"])["_TYPER_COMPLETE_ARGS"] == "mcptasks get 'a b'"


def test_answers_without_a_description_are_words_alone() -> None:
    assert answer("report-1::: \nreport-2:::a task\n") == ["report-1", "report-2\ta task", ":4"]


def test_both_files_that_kubectl_looks_for_are_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name in (PLUGIN_FILE, COMPLETION_FILE):
        module, _, function = scripts[name].partition(":")
        assert callable(getattr(importlib.import_module(module), function))
