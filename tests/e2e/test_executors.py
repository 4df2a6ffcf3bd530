"""Whoever runs a task, a Pod of its own or a worker: callers and kubectl see the same.

What is expected is written once. Each test is about both executors: one runs on the tests' own installation, the other
beside it, on the same cluster or on an embedded one of its own.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mcptasks.model.base import API_VERSION, JsonObject
from mcptasks.model.task_template import Executor
from tests.e2e.api import ClusterApi
from tests.e2e.conftest import Deployment, Look, deployments
from tests.e2e.test_cancel_kills import processes_with
from tests.e2e.test_results import answer
from tests.support.command_line import Cli, command_line
from tests.support.kubectl import Kubectl
from tests.support.mcp import TERMINAL, McpAnswer, RawClient
from tests.support.polling import eventually
from tests.support.task_output import lines_of_task

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Installation:
    """The product with tasks that are run by one of the executors."""

    executor: Executor
    deployment: Deployment
    look: Look
    cli: Cli

    @property
    def client(self) -> RawClient:
        return RawClient(self.deployment.endpoint)

    @property
    def kubectl(self) -> Kubectl:
        return self.deployment.kubectl

    def command(self, *arguments: str) -> str:
        """What a command of mcptasks prints."""
        access = (f"--kubeconfig={self.deployment.kubeconfig}", f"--namespace={self.deployment.namespace}")
        done = self.cli(*arguments, *access)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def printed(self, task_id: str) -> list[str]:
        """What the task's tool has printed so far."""
        log = self.look.log(self.look.status(task_id)["podName"]).splitlines()
        own = log if self.executor is Executor.JOB else list(lines_of_task(log, task_id))
        return [line for line in own if line.strip() and "attempt 1: " not in line]

    def begun(self, tool: str, **arguments: object) -> str:
        """A task whose tool has printed something."""
        task_id = self.client.create(tool, arguments)
        self.look.running(task_id)
        eventually("the tool has begun", lambda: self.printed(task_id))
        return task_id


@pytest.fixture(scope="module")
def cli() -> Iterator[Cli]:
    with command_line() as run:
        yield run


@pytest.fixture(scope="module", params=list(Executor), ids=lambda executor: executor.value)
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, executor: Executor, cli: Cli
) -> Iterator[Installation]:
    wanted: Executor = request.param
    if wanted is executor:
        yield Installation(wanted, request.getfixturevalue("deployment"), request.getfixturevalue("look"), cli)
        return
    for deployment in deployments(request.config, tmp_path_factory, wanted):
        with ClusterApi(deployment.kubeconfig, deployment.namespace) as api:
            yield Installation(wanted, deployment, Look(api), cli)


@dataclass(frozen=True)
class Expected:
    """How a call ends. `message` is part of what is said, `job` the condition of the Job: it tells of the process."""

    tool: str
    arguments: JsonObject
    phase: str
    reason: str
    message: str
    exit_code: int | None = None
    attempts: int = 1
    job: str = "Failed"


ENDS = [
    Expected("add", {"a": 1, "b": 2}, "completed", "Completed", "The task completed", job="Complete"),
    Expected("second_time_lucky", {}, "completed", "Completed", "The task completed", attempts=2, job="Complete"),
    Expected("refuse", {"message": "not today"}, "failed", "ToolError", "not today", job="Complete"),
    Expected("crash", {"message": "bad luck"}, "failed", "ToolError", "RuntimeError: bad luck", job="Complete"),
    Expected("protocol_error", {}, "failed", "RequestError", "not like this", job="Complete"),
    Expected("not_serialisable", {}, "failed", "ToolError", "unspeakable", job="Complete"),
    Expected("big", {"size": 5_000_000}, "failed", "ResultTooLarge", "the limit is 4 MiB"),
    Expected("exit_with", {"code": 3}, "failed", "ExitCode", "exit code 3", 3),
    Expected(
        "exit_with", {"code": 0}, "failed", "ResultMissing", "exit code 0 but delivered no result", 0, job="Complete"
    ),
    Expected("started_once", {"record": "", "seconds": 0, "exit_code": 66}, "failed", "ExitCode", "exit code 66", 66),
    Expected("segfault", {}, "failed", "KilledBySignal", "SIGSEGV", 139),
    Expected("too_slow", {}, "failed", "DeadlineExceeded", "ran longer than 2 s"),
    Expected("allocate_in_small", {"mebibytes": 2000}, "failed", "OOMKilled", "160Mi", 137),
    Expected("untemplated", {}, "failed", "TemplateNotFound", "no-such-template", attempts=0),
]


@pytest.fixture(scope="module")
def ended(product: Installation) -> list[str]:
    """A task for each call of the table; they run at the same time."""
    tasks = [product.client.create(each.tool, each.arguments) for each in ENDS]
    for task_id in tasks:
        product.client.wait(task_id, seconds=180, every=0.5)
    return tasks


@pytest.mark.parametrize("number", range(len(ENDS)), ids=lambda n: f"{ENDS[n].tool}-{ENDS[n].reason}")
def test_a_task_ends_in_the_same_way_for_caller_and_kubectl(
    product: Installation, ended: list[str], number: int
) -> None:
    expected, task_id = ENDS[number], ended[number]
    status = product.look.status(task_id)
    found = (status["phase"], status["reason"], status.get("exitCode"), status.get("attempts") or 0)
    assert found == (expected.phase, expected.reason, expected.exit_code, expected.attempts), status
    assert expected.message in status["message"]

    task = product.client.get(task_id)
    assert (task["status"], task["statusMessage"]) == (status["phase"], status["message"])
    assert product.client.new("tasks/get", {"taskId": task_id}).result["status"] in TERMINAL
    assert expected.reason in product.kubectl.run("get", "mcptask", task_id)

    product.look.terminated(task_id, 90)
    eventually(f"the Event {expected.reason}", lambda: expected.reason in events_of(product, task_id))
    if expected.attempts:
        eventually(f"the Job has ended: {expected.job}", lambda: expected.job in job_conditions(product, task_id))


def events_of(product: Installation, task_id: str) -> list[str]:
    """Reasons of the Events about the task."""
    events = product.kubectl.list("events")
    return [event["reason"] for event in events if event["involvedObject"]["name"] == task_id]


def job_conditions(product: Installation, task_id: str) -> list[str]:
    conditions = [c for job in product.look.jobs(task_id) for c in job.get("status", {}).get("conditions") or ()]
    return [condition["type"] for condition in conditions if condition["status"] == "True"]


CALLS: list[tuple[str, JsonObject]] = [
    *(("tools/call", {"name": name}) for name in ("a_str", "mixed", "a_whole_result", "files", "dependent", "a_crash")),
    ("prompts/get", {"name": "several_messages", "arguments": {"topic": "whales"}}),
    ("resources/read", {"uri": "returns://bytes"}),
]


@pytest.mark.parametrize(("method", "params"), CALLS, ids=[next(iter(params.values())) for _, params in CALLS])
def test_results_have_the_bytes_of_an_inline_call(product: Installation, method: str, params: JsonObject) -> None:
    task_id = product.client.old(method, {**params, "task": {}}).result["task"]["taskId"]
    as_task = product.client.old("tasks/result", {"taskId": task_id})
    assert answer(as_task.message) == answer(product.client.old(method, params).message)


def test_progress_lifespan_and_log_are_there(product: Installation) -> None:
    params = {"name": "surrounded", "arguments": {"seconds": 1.5}, "task": {}, "_meta": {"progressToken": "p1"}}
    task_id = product.client.old("tools/call", params).result["task"]["taskId"]
    result = product.client.old("tasks/result", {"taskId": task_id})
    assert result.result["structuredContent"] == {"result": "alive"}
    told = [message["params"] for message in result.messages if message.get("method") == "notifications/progress"]
    assert {(progress["progressToken"], progress["total"]) for progress in told} == {("p1", 2)}
    assert "100% (2/2)" in product.kubectl.run("get", "mcptask", task_id)
    log = product.command("logs", task_id)
    assert "printed" in log
    assert "told the caller" in log


def test_logs_are_a_running_tasks_own_lines_and_describe_names_its_pod(product: Installation) -> None:
    other = product.begun("tidy", seconds=120)
    task_id = product.begun("nap", seconds=120)
    assert "pid" in product.command("logs", task_id)
    assert "working" not in product.command("logs", task_id)
    assert ["Pod:", product.look.status(task_id)["podName"]] in map(
        str.split, product.command("describe", task_id).splitlines()
    )
    for each in (task_id, other):
        product.client.cancel(each)
        product.look.terminated(each)


def test_a_log_that_is_followed_ends_with_its_task(product: Installation) -> None:
    task_id = product.client.create("surrounded", {"seconds": 3})
    product.look.running(task_id)
    followed = product.command("logs", "-f", task_id).splitlines()
    assert product.look.status(task_id)["phase"] == "completed"
    assert followed == product.command("logs", task_id).splitlines()
    assert any("printed" in line for line in followed)
    assert "Attempts:" in product.command("describe", task_id).splitlines()


@pytest.mark.parametrize("detached", [False, True])
def test_a_cancel_ends_what_the_tool_has_started(product: Installation, detached: bool) -> None:
    seconds = 7000 + secrets.randbelow(10**6)
    task_id = product.begun("fork", seconds=seconds, detached=detached)
    assert processes_with(f"time.sleep({seconds}.") or not product.deployment.has_machine
    assert product.client.cancel(task_id)["status"] == "cancelled"
    product.look.terminated(task_id)
    assert not processes_with(f"time.sleep({seconds}.")
    eventually("the Event Cancelled", lambda: "Cancelled" in events_of(product, task_id))
    eventually("no Job", lambda: not product.look.jobs(task_id))


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (("patch", "mcptask", "--type=merge", "-p", json.dumps({"spec": {"cancel": True}})), "CancelledBySpec"),
        (("delete", "job"), "JobDeleted"),
    ],
    ids=["spec.cancel", "delete job"],
)
def test_kubectl_cancels(product: Installation, order: tuple[str, ...], reason: str) -> None:
    task_id = product.begun("tidy", seconds=120)
    eventually("there is a Job", lambda: product.look.jobs(task_id))
    product.kubectl.run(*order, task_id)
    assert product.client.wait(task_id)["status"] == "cancelled"
    product.look.terminated(task_id)
    assert product.look.status(task_id)["reason"] == reason
    eventually("no Job", lambda: not product.look.jobs(task_id))


def test_a_deleted_task_leaves_nothing(product: Installation) -> None:
    seconds = 7000 + secrets.randbelow(10**6)
    task_id = product.begun("fork", seconds=seconds)
    product.kubectl.run("delete", "mcptask", task_id)
    product.look.gone(task_id)
    eventually("no process", lambda: not processes_with(f"time.sleep({seconds}."))
    assert product.client.old("tasks/get", {"taskId": task_id}).error["code"] == -32602


def test_a_task_written_by_hand_runs(product: Installation) -> None:
    spec = {"component": {"kind": "tool", "name": "add"}, "arguments": {"a": 1, "b": 2}}
    product.kubectl.apply({"apiVersion": API_VERSION, "kind": "McpTask", "metadata": {"name": "by-hand"}, "spec": spec})
    eventually("it has ended", lambda: product.look.status("by-hand").get("phase") == "completed", 60)
    product.kubectl.run("delete", "mcptask", "by-hand")


def test_an_expired_task_is_gone_with_its_job(product: Installation) -> None:
    task_id = product.client.create("add", {"a": 1, "b": 2}, ttl=0)
    assert product.client.result(task_id)["structuredContent"]["total"] == 3
    product.look.gone(task_id, 40)


LINES = 3000


def read_log(client: RawClient, task_id: str) -> McpAnswer:
    uri = f"task://{task_id}/log"
    return client.new("resources/read", {"uri": uri}, mcp_name=uri)


def kept_log(client: RawClient, task_id: str) -> str:
    """What is kept of the task's log, as soon as it is."""

    def look() -> JsonObject | None:
        message = read_log(client, task_id).message
        return message if "result" in message else None

    found = eventually(f"the log of {task_id} is kept", look, 60)
    assert found is not None
    return str(found["result"]["contents"][0]["text"])


@pytest.mark.parametrize("how", ["return", "killed"])
def test_a_log_outlives_its_pod_and_goes_with_its_task(product: Installation, how: str) -> None:
    client, look, kubectl = product.client, product.look, product.kubectl
    task_id = client.create("talk", {"lines": LINES, "how": how})
    client.wait(task_id, "completed" if how == "return" else "failed")
    look.terminated(task_id, 60)
    kept_log(client, task_id)
    uid = look.task(task_id)["metadata"]["uid"]
    assert f":log:{product.deployment.namespace}:{uid}:1" in " ".join(product.deployment.stored())
    if pods := [pod["metadata"]["name"] for pod in look.pods(task_id)]:
        kubectl.run("delete", "pod", *pods, "--wait=true", "--timeout=60s", seconds=90)
    text = kept_log(client, task_id)
    lines = [line for line in text.splitlines() if line.endswith(" x")]
    assert (lines[0][:6], lines[-1][:6], len(lines)) == ("00000 ", f"{LINES - 1:05} ", LINES)
    older = client.old("resources/read", {"uri": f"task://{task_id}/log"}).result
    assert older["contents"][0]["text"] == text
    kubectl.run("delete", "mcptask", task_id, "--timeout=60s", seconds=90)
    eventually("the store has forgotten it", lambda: uid not in " ".join(product.deployment.stored()), 30)
    assert "Task not found" in read_log(client, task_id).error["message"]


def test_what_a_cancelled_task_has_printed_is_kept(product: Installation) -> None:
    task_id = product.begun("talk", lines=3, how="wait")
    product.client.cancel(task_id)
    product.look.terminated(task_id, 60)
    lines = [line for line in kept_log(product.client, task_id).splitlines() if line.endswith(" x")]
    assert [line[:6] for line in lines] == ["00000 ", "00001 ", "00002 "]
