"""`kubectl mcptasks` by a real kubectl, on a running stack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mcptasks.cli.invocation import COMPLETION_FILE, PLUGIN_FILE
from mcptasks.dev.stack import LocalStack
from tests.support.command_line import Completed
from tests.support.kubectl import Kubectl, kubectl_path
from tests.support.polling import eventually

ByKubectl = Callable[..., Completed]

PROGRAM = """#!{python}
from mcptasks.cli.kubectl_plugin import {function}
{function}()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the PATH, with the two programs that an installation puts there."""
    made = tmp_path_factory.mktemp("bin")
    for name, function in ((PLUGIN_FILE, "run"), (COMPLETION_FILE, "complete")):
        (made / name).write_text(PROGRAM.format(python=sys.executable, function=function))
        (made / name).chmod(0o755)
    return made


@pytest.fixture(scope="module")
def by_kubectl(folder: Path, stack: LocalStack) -> ByKubectl:
    """Runs kubectl as a user would whose KUBECONFIG names the stack's cluster."""

    def run(*words: str, **environment: str) -> Completed:
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [kubectl_path(), *words],
            env={**os.environ, "PATH": path, "KUBECONFIG": str(stack.kubeconfig), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def offered(by_kubectl: ByKubectl, *words: str) -> list[str]:
    """What a shell that asks kubectl is offered for the last word."""
    return [line.split("\t")[0] for line in by_kubectl("__complete", "mcptasks", *words).stdout.splitlines()]


@pytest.fixture(scope="module")
def task(kubectl: Kubectl) -> str:
    """A completed task that has printed something."""
    name, kind = "of-the-plugin", {"apiVersion": "mcptasks.dev/v1alpha1", "kind": "McpTask"}
    spec = {"component": {"name": "count"}, "arguments": {"steps": 2}}
    kubectl.apply({**kind, "metadata": {"name": name, "labels": {"for": "plugin"}}, "spec": spec})
    eventually(
        "the task is completed",
        lambda: (kubectl.get("mcptask", name).get("status") or {}).get("phase") == "completed",
    )
    return name


def test_kubectl_lists_the_plugin_and_not_its_completion(by_kubectl: ByKubectl, folder: Path) -> None:
    listed = by_kubectl("plugin", "list").stdout.splitlines()
    assert [line for line in listed if line.startswith(str(folder))] == [str(folder / PLUGIN_FILE)]


def test_get_shows_what_kubectl_shows(by_kubectl: ByKubectl, task: str) -> None:
    words = ("-l", "for=plugin", "-o", "name")
    done = by_kubectl("mcptasks", "get", *words)
    assert done.stdout == by_kubectl("get", "mcptasks", *words).stdout == f"mcptask.mcptasks.dev/{task}\n"


def test_the_cluster_is_the_one_that_kubectl_takes_whatever_our_own_settings_say(
    by_kubectl: ByKubectl, task: str
) -> None:
    done = by_kubectl(
        "mcptasks", "get", task, "-o", "name", MCPTASKS_KUBECONFIG="/nowhere/config", MCPTASKS_NAMESPACE="elsewhere"
    )
    assert (done.returncode, done.stdout) == (0, f"mcptask.mcptasks.dev/{task}\n")


def test_options_of_kubectl_may_stand_at_both_places(by_kubectl: ByKubectl, task: str, stack: LocalStack) -> None:
    elsewhere = by_kubectl("mcptasks", "-n", "elsewhere", "get")
    assert elsewhere.stderr == "No resources found in elsewhere namespace.\n"
    given = ("--kubeconfig", str(stack.kubeconfig), "--namespace=default")
    assert task in by_kubectl("mcptasks", *given, "get", KUBECONFIG="/nowhere/config").stdout
    missing = by_kubectl("mcptasks", "get", "--context", "nope")
    assert missing.returncode == 2
    assert "nope" in missing.stderr


def test_describe_and_logs_take_what_kubectl_prints(by_kubectl: ByKubectl, task: str) -> None:
    assert by_kubectl("mcptasks", "describe", f"mcptask/{task}").stdout.startswith(f"Name:       {task}\n")
    assert f"Name:       {task}\n" in by_kubectl("mcptasks", "describe", "-A", "-l", "for=plugin").stdout
    assert by_kubectl("mcptasks", "logs", f"mcptask.mcptasks.dev/{task}").returncode == 0


def test_cancel_and_delete_do_not_name_the_cluster_that_the_user_knows(
    by_kubectl: ByKubectl, kubectl: Kubectl, task: str
) -> None:
    ended = by_kubectl("mcptasks", "cancel", task)
    assert ended.stderr == f"Error: task {task} has ended already (completed): there is nothing to cancel\n"
    kubectl.run("label", "mcptask", task, "gone=soon")
    done = by_kubectl("mcptasks", "delete", "-A", "-l", "gone=soon")
    assert (done.stdout, done.stderr) == (
        f'mcptask.mcptasks.dev "{task}" deleted from default namespace\n',
        "",
    )


def test_errors_name_commands_as_kubectl_users_type_them(by_kubectl: ByKubectl) -> None:
    done = by_kubectl("mcptasks", "logs", "nope")
    assert done.returncode == 1
    assert done.stderr == "Error: there is no task 'nope' in namespace default; see `kubectl mcptasks get -A`\n"


def test_kubectl_completes_commands_options_and_names_of_tasks(by_kubectl: ByKubectl, kubectl: Kubectl) -> None:
    kind = {"apiVersion": "mcptasks.dev/v1alpha1", "kind": "McpTask", "spec": {"component": {"name": "count"}}}
    kubectl.apply({**kind, "metadata": {"name": "soon-completed"}})
    assert offered(by_kubectl, "de") == ["describe", "delete", ":4"]
    assert offered(by_kubectl, "get", "--all") == ["--all-namespaces", ":4"]
    assert offered(by_kubectl, "logs", "soon-c") == ["soon-completed", ":4"]
    assert "soon-completed" in offered(by_kubectl, "cancel", "")
    assert offered(by_kubectl, "get", "-n", "elsewhere", "soon-c") == [":4"]


def test_kubectl_completes_namespaces_and_contexts(by_kubectl: ByKubectl) -> None:
    assert offered(by_kubectl, "get", "-n", "def") == ["default", ":4"]
    assert offered(by_kubectl, "top", "--namespace", "kube-s") == ["kube-system", ":4"]
    assert offered(by_kubectl, "logs", "--context", "") == ["mcptasks-local", ":4"]
