"""`mcptasks answer` for tasks that run."""

from __future__ import annotations

import json

import pytest

from mcptasks.dev.stack import LocalStack
from tests.integration.cli.terminal import on_terminal
from tests.support.command_line import Cli
from tests.support.kubectl import Kubectl
from tests.support.polling import eventually


def asking(kubectl: Kubectl, name: str) -> str:
    """A task of a client that can be asked; it waits for an answer."""
    spec = {
        "component": {"name": "confirm"},
        "arguments": {"what": "delete"},
        "inputTimeoutSeconds": 600,
        "request": {"protocolVersion": "2025-11-25", "clientCapabilities": {"elicitation": {}}},
    }
    kubectl.apply({"apiVersion": "mcptasks.dev/v1alpha1", "kind": "McpTask", "metadata": {"name": name}, "spec": spec})
    eventually("the task asks", lambda: phase(kubectl, name) == "input_required")
    return name


def phase(kubectl: Kubectl, name: str) -> str | None:
    status = kubectl.get("mcptask", name).get("status") or {}
    return status.get("phase")


def result(kubectl: Kubectl, name: str) -> object:
    """What the tool has returned."""
    eventually("the task is completed", lambda: phase(kubectl, name) == "completed")
    text = kubectl.get("mcptask", name)["status"]["result"]["text"]
    return json.loads(text)["structuredContent"]["result"]


@pytest.fixture(scope="module")
def task(kubectl: Kubectl) -> str:
    return asking(kubectl, "to-be-answered")


def test_what_cannot_be_an_answer_leaves_the_question(on_stack: Cli, kubectl: Kubectl, task: str) -> None:
    for words, message in (
        ((), "the tool asks 'Really delete?' and has no answer: give --answer yes=... (yes or no)"),
        (("--answer", "yes=perhaps"), "'perhaps' is not yes or no"),
        (("--question", "other"), "has no question 'other'"),
        (("--decline", "--answer", "yes=no"), "leave --answer out"),
    ):
        done = on_stack("answer", task, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
    assert phase(kubectl, task) == "input_required"


def test_an_answer_lets_the_tool_go_on(on_stack: Cli, kubectl: Kubectl, task: str) -> None:
    done = on_stack("answer", task, "--answer", "yes=yes", "--answer", "colour=red")
    assert (done.returncode, done.stdout) == (0, f"mcptask.mcptasks.dev/{task} answered\n")
    assert "--answer colour was not asked for" in done.stderr
    assert result(kubectl, task) == "True, no reason"
    again = on_stack("answer", task, "--answer", "yes=yes")
    assert (again.returncode, again.stderr) == (
        1,
        f"Error: task {task} asks nothing: it has ended (completed)\n",
    )


def test_a_question_can_be_answered_on_the_terminal(stack: LocalStack, kubectl: Kubectl) -> None:
    name = asking(kubectl, "asks-somebody")
    with on_terminal("answer", name, "--kubeconfig", str(stack.kubeconfig)) as terminal:
        terminal.frame("Ctrl-C leaves the question as it is")
        terminal.frame(r"yes \(yes or no; required\):$")
        terminal.press(b"no\n")
        terminal.frame(r"^  why .*:$")
        terminal.press(b"it is needed\n")
        assert terminal.end() == 0
    assert result(kubectl, name) == "False, it is needed"


def test_a_question_can_be_declined(on_stack: Cli, kubectl: Kubectl) -> None:
    name = asking(kubectl, "declined")
    assert on_stack("answer", name, "--decline").stdout == f"mcptask.mcptasks.dev/{name} declined\n"
    assert result(kubectl, name) == "decline"
