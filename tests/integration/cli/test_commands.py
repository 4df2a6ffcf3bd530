"""`call`, `get`, `describe`, `logs`, `cancel` and `delete` on a running stack."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from mcptasks.dev.stack import LocalStack
from tests.integration.cli.background import running
from tests.support.command_line import Cli, Completed
from tests.support.kubectl import Kubectl
from tests.support.polling import eventually


def task_of(done: Completed) -> str:
    """The id of the task that was called."""
    found = re.search(r"runs as task (\S+)", done.stderr)
    assert found, done.stderr
    return found[1]


@pytest.fixture(scope="module")
def added(cli: Cli, stack: LocalStack) -> str:
    """A completed task."""
    return task_of(cli("call", stack.endpoint, "add", "--arg", "a=1"))


@pytest.fixture(scope="module")
def crash(cli: Cli, stack: LocalStack) -> Completed:
    """The call of a task whose process ended twice with exit code 3."""
    return cli("call", stack.endpoint, "crash")


@pytest.fixture(scope="module")
def crashed(crash: Completed) -> str:
    """That task."""
    return task_of(crash)


@pytest.fixture(scope="module")
def held(kubectl: Kubectl) -> str:
    """A template whose Pods no node takes: its tasks wait."""
    pod = {"nodeSelector": {"no": "node"}, "containers": [{"name": "runner", "image": "local"}]}
    body = {"metadata": {"name": "held"}, "spec": {"podTemplate": {"spec": pod}}}
    kubectl.apply({"apiVersion": "mcptasks.dev/v1alpha1", "kind": "McpTaskTemplate", **body})
    return "held"


def without_ages(text: str) -> str:
    """A table without its ages, which move on between two commands, and without what pads them."""
    return re.sub(r"(?<=  )(AGE|(?:\d+[smhd])+) *$|(?<=  )(AGE|(?:\d+[smhd])+)  +", "<age>  ", text, flags=re.MULTILINE)


def applied(kubectl: Kubectl, name: str, tool: str, template: str = "default", **arguments: object) -> str:
    """A task made by hand, as kubectl users make one."""
    spec = {"component": {"name": tool}, "arguments": arguments, "templateRef": {"name": template}}
    kubectl.apply({"apiVersion": "mcptasks.dev/v1alpha1", "kind": "McpTask", "metadata": {"name": name}, "spec": spec})
    return name


def phase(kubectl: Kubectl, name: str) -> str | None:
    status = kubectl.get("mcptask", name).get("status") or {}
    return status.get("phase")


def runs(kubectl: Kubectl, name: str) -> None:
    eventually(f"{name} runs", lambda: (kubectl.get("mcptask", name).get("status") or {}).get("startedAt"))


@pytest.mark.parametrize("protocol", ["2025-11-25", "2026-07-28"])
def test_call_prints_the_result_of_a_task(cli: Cli, stack: LocalStack, protocol: str) -> None:
    done = cli("call", stack.endpoint, "add", "--arg", "a=2", "--arg", "b=3", "--protocol", protocol)
    assert (done.returncode, done.stdout) == (0, "5\n")
    assert re.match(r"add runs as task add-\w{26}$", done.stderr.splitlines()[0])


@pytest.mark.parametrize("protocol", ["2025-11-25", "2026-07-28"])
def test_call_shows_progress_in_numbers(cli: Cli, stack: LocalStack, protocol: str) -> None:
    done = cli("call", stack.endpoint, "count", "--arg", "steps=25", "--protocol", protocol)
    assert done.stdout == "25\n"
    assert re.search(r"^count: \d+% \(\d+/25\) step \d+$", done.stderr, re.MULTILINE)


def test_call_gives_json_for_programs(cli: Cli, stack: LocalStack) -> None:
    done = cli("call", stack.endpoint, "add", "--arg", "a=2", "-o", "json")
    assert json.loads(done.stdout)["structuredContent"] == {"result": 3}


def test_call_of_a_tool_that_crashes_tells_the_reason_and_where_its_last_words_are(crash: Completed) -> None:
    assert crash.returncode == 1
    assert "exit code 3" in crash.stderr
    assert "crashing, process" not in crash.stderr
    assert "`mcptasks logs crash-" in crash.stderr


def test_ctrl_c_cancels_the_task_and_ends_its_process(stack: LocalStack, kubectl: Kubectl) -> None:
    with running("call", stack.endpoint, "count", "--arg", "steps=6000") as call:
        task = call.line(r"runs as task (\S+)")[1]
        runs(kubectl, task)
        call.send(signal.SIGINT)
        assert call.end() == 130
        assert call.lines[-1] == f"Error: interrupted: task {task} is cancelled"
    assert phase(kubectl, task) == "cancelled"
    eventually("the Job is gone", lambda: kubectl.find("job", task) is None)


def test_a_call_outlives_a_kill_of_the_server(stack: LocalStack, kubectl: Kubectl) -> None:
    with running("call", stack.endpoint, "count", "--arg", "steps=50") as call:
        runs(kubectl, call.line(r"runs as task (\S+)")[1])
        stack.kill("server")
        stack.start("server")
        assert call.end() == 0
        assert call.lines[-1] == "50"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-o", "wide"],
        ["-o", "name"],
        ["-A"],
        ["--field-selector", "status.phase=completed"],
        ["-l", "mcptasks.dev/server=default"],
        ["-l", "no=such"],
        ["-A", "-l", "no=such"],
    ],
)
@pytest.mark.usefixtures("added")
def test_get_prints_what_kubectl_prints(on_stack: Cli, kubectl: Kubectl, words: list[str]) -> None:
    def same() -> bool:
        # What the operator writes about tasks that have just ended may come in between.
        expected = subprocess.run(
            kubectl.command("get", "mcptasks", *words), capture_output=True, text=True, check=True
        )
        printed = on_stack("get", *words)
        alike = without_ages(printed.stdout) == without_ages(expected.stdout)
        return alike and printed.stderr == expected.stderr

    eventually("both print the same", same)


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_get_gives_programs_the_objects_that_kubectl_gives(
    on_stack: Cli, kubectl: Kubectl, added: str, output: str
) -> None:
    def same(*names: str) -> bool:
        # What the operator writes about tasks that have just ended comes in between.
        expected = kubectl.run("get", "mcptasks", *names, "-o", output)
        printed = on_stack("get", *names, "-o", output).stdout
        return bool(yaml.safe_load(printed) == yaml.safe_load(expected))

    eventually("both give the same list", same)
    eventually("both give the same object", lambda: same(added))


def test_get_of_named_tasks_prints_those_and_says_which_are_missing(on_stack: Cli, added: str) -> None:
    done = on_stack("get", added, "nope")
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["NAME", added]
    assert done.stderr == "Error: there is no task 'nope' in namespace default; see `mcptasks get -A`\n"


def test_get_watches_until_it_is_interrupted(stack: LocalStack, kubectl: Kubectl, added: str) -> None:
    words = ("get", "-w", "--kubeconfig", str(stack.kubeconfig), "--field-selector", "spec.component.name=add")
    with running(*words) as watch:
        watch.line(rf"^{added} ")
        name = applied(kubectl, "watched", "add", a=1)
        watch.line(rf"^{name} .* working .* Running")
        watch.line(rf"^{name} .* completed .* Completed")
        watch.send(signal.SIGINT)
        assert watch.end() == 130
    assert sum(line.startswith("NAME ") for line in watch.lines) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "-l", "x=y"], "not both"),
        (["a", "-A"], "use -n instead of -A"),
        (["a", "b", "-w"], "at most one"),
        (["-w", "-o", "json"], "-w does not go with -o json"),
        (["--kubeconfig", "/nowhere/config"], "kubeconfig /nowhere/config does not exist"),
        (["--context", "other"], "other"),
    ],
)
def test_wrong_usage_of_get_ends_with_2(on_stack: Cli, words: list[str], message: str) -> None:
    done = on_stack("get", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_that_is_down_is_named(cli: Cli, stack: LocalStack, tmp_path: Path) -> None:
    kubeconfig = json.loads(stack.kubeconfig.read_text())
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "config").write_text(json.dumps(kubeconfig))
    done = cli("get", "--kubeconfig", str(tmp_path / "config"))
    assert done.returncode == 1
    assert "cannot reach the API server at https://127.0.0.1:9" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_describe_tells_the_whole_story_of_a_crash(on_stack: Cli, crashed: str) -> None:
    text = on_stack("describe", crashed).stdout
    for expected in ("Component:   tool crash", "Phase:      failed", "Reason:     ExitCode", "Exit code:  3"):
        assert expected in text
    attempts = text[text.index("\nAttempts:") : text.index("\nEvents:")]
    assert attempts.count("exit code 3") == 2
    assert "JobCreated" in text
    assert re.search(r"Last log lines:\n(  .*\n)*  crashing, process \d+", text)


def test_describe_of_an_unknown_task_ends_with_1(on_stack: Cli) -> None:
    done = on_stack("describe", "nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no task 'nope'" in done.stderr


def test_logs_prints_the_last_attempt_or_the_one_before(on_stack: Cli, crashed: str) -> None:
    last = on_stack("logs", crashed, "--tail", "1").stdout
    before = on_stack("logs", crashed, "--tail", "1", "--previous").stdout
    assert last.startswith("crashing, process ")
    assert before.startswith("crashing, process ")
    assert last != before


def test_logs_follows_a_task_from_before_its_start_over_all_attempts(on_stack: Cli, kubectl: Kubectl) -> None:
    task = applied(kubectl, "followed", "crash")
    done = on_stack("logs", "-f", task)
    assert done.returncode == 0
    # A task made by hand has no retries.
    assert done.stdout.count("crashing, process") == 1


def test_logs_follows_over_retries(stack: LocalStack, cli: Cli) -> None:
    with running("call", stack.endpoint, "crash") as call:
        task = call.line(r"runs as task (\S+)")[1]
        followed = cli("logs", "-f", task, "--kubeconfig", str(stack.kubeconfig))
        assert call.end() == 1
    assert followed.returncode == 0
    assert followed.stdout.count("crashing, process") == 2


def test_logs_says_why_there_are_none(on_stack: Cli, kubectl: Kubectl) -> None:
    assert "there is no task 'nope'" in on_stack("logs", "nope").stderr
    spec = {"component": {"name": "add"}, "templateRef": {"name": "missing"}}
    task = {"apiVersion": "mcptasks.dev/v1alpha1", "kind": "McpTask", "metadata": {"name": "never-ran"}, "spec": spec}
    kubectl.apply(task)
    eventually("it failed", lambda: phase(kubectl, "never-ran") == "failed")
    done = on_stack("logs", "never-ran")
    assert done.returncode == 1
    assert "it is failed (TemplateNotFound)" in done.stderr


def test_cancel_waits_until_the_processes_are_gone_and_says_how_long_that_took(
    on_stack: Cli, kubectl: Kubectl, stack: LocalStack
) -> None:
    task = applied(kubectl, "to-cancel", "count", steps=6000, with_child=True)
    runs(kubectl, task)
    done = on_stack("cancel", task, "--wait")
    assert done.returncode == 0
    assert re.fullmatch(
        r"mcptask.mcptasks.dev/to-cancel cancelled; its Pods were gone after \d+\.\d\d s\n", done.stdout
    )
    uid = kubectl.get("mcptask", task)["status"]["podUid"]
    assert not any(container.startswith(uid) for container in stack.task_pids())
    assert kubectl.find("job", task) is None


def test_cancel_without_wait_returns_at_once(on_stack: Cli, kubectl: Kubectl, held: str) -> None:
    task = applied(kubectl, "to-cancel-later", "count", held)
    assert on_stack("cancel", task).stdout == "mcptask.mcptasks.dev/to-cancel-later cancel requested\n"
    eventually("it is cancelled", lambda: phase(kubectl, task) == "cancelled")


def test_cancel_of_ended_and_unknown_tasks_ends_with_1(on_stack: Cli, added: str) -> None:
    done = on_stack("cancel", added, "nope")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Error: task {added} has ended already (completed): there is nothing to cancel",
        "Error: there is no task 'nope' in namespace default; see `mcptasks get -A`",
    ]


def test_tasks_go_by_what_get_prints_and_by_the_beginnings_of_their_names(
    on_stack: Cli, kubectl: Kubectl, added: str, held: str
) -> None:
    assert f"mcptask.mcptasks.dev/{added}" in on_stack("get", "-o", "name").stdout.splitlines()
    everywhere = f"default/mcptask.mcptasks.dev/{added}"
    assert everywhere in on_stack("get", "-A", "-o", "name").stdout.splitlines()
    for given in (f"mcptask.mcptasks.dev/{added}", added[:-3]):
        assert added in on_stack("describe", given).stdout.splitlines()[0]
    for command in ("describe", "get", "logs"):
        assert on_stack(command, "-n", "elsewhere", everywhere).returncode == 0
    for name in ("alike-one", "alike-two"):
        applied(kubectl, name, "count", held)
    done = on_stack("cancel", "alike")
    assert (done.returncode, done.stderr) == (1, "Error: 2 tasks begin with 'alike': alike-one, alike-two\n")
    assert on_stack("cancel", "alike-o").stdout == "mcptask.mcptasks.dev/alike-one cancel requested\n"


def test_cancel_and_delete_take_a_selector(on_stack: Cli, kubectl: Kubectl, held: str) -> None:
    names = [applied(kubectl, f"labelled-{number}", "count", held) for number in (1, 2)]
    for name in names:
        kubectl.run("label", "mcptask", name, "batch=mine")
    assert on_stack("cancel", "-l", "batch=mine").stdout.splitlines() == [
        f"mcptask.mcptasks.dev/{name} cancel requested" for name in names
    ]
    eventually("they are cancelled", lambda: {phase(kubectl, name) for name in names} == {"cancelled"})
    again = on_stack("cancel", "-l", "batch=mine")
    assert (again.returncode, again.stdout) == (0, "")
    assert on_stack("delete", "-l", "batch=mine").stdout.count(" deleted from default namespace\n") == 2
    assert on_stack("delete").returncode == 2


def test_delete_removes_a_task_with_all_that_is_its(
    cli: Cli, on_stack: Cli, stack: LocalStack, kubectl: Kubectl
) -> None:
    task = task_of(cli("call", stack.endpoint, "add", "--arg", "a=1"))
    done = on_stack("delete", task, "nope")
    assert done.returncode == 1
    assert done.stdout == f'mcptask.mcptasks.dev "{task}" deleted from default namespace\n'
    assert "there is no task 'nope'" in done.stderr
    eventually("the task is gone", lambda: kubectl.find("mcptask", task) is None)
    eventually("the Job is gone", lambda: kubectl.find("job", task) is None)
    eventually("the Pods are gone", lambda: not kubectl.list("pods", f"mcptasks.dev/task={task}"))
