"""`mcptasks workers` on a stack whose tasks run in workers."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import pytest

from mcptasks.dev.stack import LocalStack, StackConfig
from tests.integration.cli.background import running
from tests.integration.cli.conftest import TOOLS
from tests.support.command_line import Cli
from tests.support.polling import eventually


@pytest.fixture(scope="module")
def warm_stack() -> Iterator[LocalStack]:
    with LocalStack(StackConfig(str(TOOLS), warm=True)) as started:
        yield started


@pytest.fixture
def workers(cli: Cli, warm_stack: LocalStack) -> Cli:
    """Runs `mcptasks workers` on the stack, once there is an idle worker."""

    def run(*words: str) -> object:
        return cli("workers", "--kubeconfig", str(warm_stack.kubeconfig), *words)

    eventually("there is an idle worker", lambda: " idle " in cli("workers", *_on(warm_stack)).stdout)
    return run  # type: ignore[return-value]


def _on(stack: LocalStack) -> list[str]:
    return ["--kubeconfig", str(stack.kubeconfig)]


def test_a_worker_shows_what_it_runs_and_how_many_it_has_run(cli: Cli, workers: Cli, warm_stack: LocalStack) -> None:
    with running("call", warm_stack.endpoint, "count", "--arg", "steps=6000") as call:
        task = call.line(r"runs as task (\S+)")[1]
        line = eventually(
            "a worker runs the task", lambda: re.search(rf"^.* busy .* {task} .*$", workers().stdout, re.MULTILINE)
        )[0]
        assert line.split()[1:3] == ["default", "busy"]
        assert line.split()[-3:-1] == [task, "count"]
        (busy,) = [item for item in json.loads(workers("-o", "json").stdout)["items"] if item["runs"]]
        assert [(run["task"], run["component"]) for run in busy["runs"]] == [(task, "count")]
        call.send(signal.SIGINT)
        call.end()
    before = busy["tasksDone"]

    def counted() -> bool:
        items = json.loads(workers("-o", "json").stdout)["items"]
        return any(item["name"] == busy["name"] and item["tasksDone"] == before + 1 for item in items)

    eventually("the task counts as done", counted)


def test_names_are_those_of_pods(workers: Cli) -> None:
    assert re.match(r"^pod/default-w-[0-9a-f]{8}\n", workers("-o", "name").stdout)


@pytest.mark.long
def test_a_watch_shows_the_worker_again_when_it_gets_a_task(cli: Cli, workers: Cli, warm_stack: LocalStack) -> None:
    with running("workers", *_on(warm_stack), "-w") as watch:
        watch.line(r" idle ")
        with running("call", warm_stack.endpoint, "count", "--arg", "steps=6000") as call:
            task = call.line(r"runs as task (\S+)")[1]
            watch.line(rf" busy .* {task} ")
            call.send(signal.SIGINT)
            call.end()
        watch.send(signal.SIGINT)
        watch.end()


def test_a_template_that_is_not_there_is_an_error(workers: Cli) -> None:
    done = workers("nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: there is no McpTaskTemplate 'nope' in namespace default; there are: default\n"


@pytest.mark.long
def test_without_warm_templates_the_reason_is_said(on_stack: Cli) -> None:
    done = on_stack("workers")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "No workers found in default namespace: no McpTaskTemplate there has executor Warm\n"
