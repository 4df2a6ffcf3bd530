"""Tasks that a worker runs one after another: what each of them has, gives and leaves."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

import pytest

from mcptasks.gateway.contract import INPUT_PATH, MAX_LOG_TAIL_BYTES, PROGRESS_PATH
from mcptasks.model.task import TraceContext
from mcptasks.model.task_lines import MAX_LINE_BYTES
from tests.integration.worker.harness import Worker, a_worker, gone
from tests.support.fake_gateway import GatewayAnswer
from tests.support.fork_server import ForkServer
from tests.support.polling import eventually
from tests.support.task_output import lines_of_task
from tests.support.work_gateway import WorkGateway

MODULE = """
import contextvars, ctypes, random, tempfile
from mcp.server.mcpserver import Context
from mcp.server.elicitation import ElicitationResult
from pydantic import BaseModel
from mcptasks import CurrentTask, Shared, TaskInfo

VARIABLE = contextvars.ContextVar("variable", default="unset")
VARIABLE.set("set by the import")
LEFT = []

@mcp.tool()
def add(a: int, b: float) -> dict[str, float]:
    return dict(sum=a + b)

@mcp.tool()
async def add_later(a: int, b: float) -> dict[str, float]:
    await asyncio.sleep(0)
    return dict(sum=a + b)

@mcp.tool()
def fail() -> None:
    raise ValueError("bad luck")

@mcp.tool()
def surroundings() -> dict[str, object]:
    LEFT.append(1)
    os.environ["LEFT"] = "1"
    VARIABLE.set(VARIABLE.get() + " and a task")
    Path(tempfile.gettempdir(), "left").touch()
    return dict(
        pid=os.getpid(), group=os.getpgid(0), session=os.getsid(0), main=threading.current_thread().name,
        left=len(LEFT), variable=VARIABLE.get(), random=random.random(), temporary=tempfile.gettempdir(),
        variables={name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TMPDIR")},
        directory=os.getcwd(), stdin=sys.stdin.read(), signals=signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL,
        open=sorted(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in os.listdir("/proc/self/fd")
                    if os.path.exists(f"/proc/self/fd/{fd}")),
    )

@mcp.tool()
def variables() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in ("MCPTASKS_TASK_ID", "TRACEPARENT")}

@mcp.tool()
def attempt(task: TaskInfo = CurrentTask()) -> dict[str, object]:
    return dict(id=task.id, attempt=task.attempt)

@mcp.tool()
def report(count: int) -> None:
    for number in range(1, count + 1):
        progress(number, count, "at work")
        time.sleep(0.05)

class Wanted(BaseModel):
    name: str

@mcp.tool()
async def ask(ctx: Context) -> dict[str, str]:
    answer = await ctx.elicit("Who?", Wanted)
    return dict(name=answer.data.name)

@mcp.tool()
def talk() -> None:
    print("to stdout")
    print("to stderr", file=sys.stderr)
    print("x" * 10_000)
    print("[task-9/1] not mine")
    print("no end", end="")

@mcp.tool()
def talk_much(lines: int) -> dict[str, bool]:
    for number in range(lines):
        print(f"{number:010} " + "x" * 52)
    return dict(done=True)

@mcp.tool()
def leave_processes() -> dict[str, list[int]]:
    quick = subprocess.Popen(["sleep", "300"])
    own_session = subprocess.Popen(["sleep", "300"], start_new_session=True)
    script = "import os, time; os.fork() or (os.setsid(), os.fork() or (print(os.getpid(), flush=1), time.sleep(300)))"
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    daemon = int(starter.stdout.readline())
    starter.wait()
    return dict(pids=[quick.pid, own_session.pid, daemon])

@mcp.tool()
def use(seconds: float, mebibytes: int) -> dict[str, bool]:
    held = b"x" * (mebibytes << 20)
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    program = "import time\\nwhile time.process_time() < %s: pass" % seconds
    subprocess.run([sys.executable, "-c", program], check=True)
    subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    time.sleep(3 * seconds)
    return dict(done=len(held) > 0)

@mcp.tool()
def leave_thread() -> dict[str, bool]:
    threading.Thread(target=time.sleep, args=(300,)).start()
    return dict(done=True)

@mcp.tool()
def leave_abruptly() -> None:
    print("last words")
    os.kill(os.getpid(), signal.SIGKILL)

@mcp.tool()
def raise_what_nobody_catches() -> None:
    raise GeneratorExit

@mcp.tool()
def exit_now(code: int) -> None:
    os._exit(code)

@mcp.tool()
def die(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)

@mcp.tool()
def fork_and_return() -> dict[str, bool]:
    return dict(copy=os.fork() == 0)

@mcp.tool()
def change_directory() -> None:
    os.chdir("/")

@mcp.tool()
def close_descriptors() -> None:
    os.closerange(3, 1000)
    time.sleep(60)

@mcp.tool()
def ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)

@mcp.tool()
def unfinished_exit_handler() -> dict[str, bool]:
    import atexit
    atexit.register(time.sleep, 300)
    return dict(done=True)

class SlowStream:
    def __getattr__(self, name):
        return getattr(sys.__stdout__, name)

    def flush(self):
        time.sleep(300)

@mcp.tool()
def never_flushed() -> dict[str, bool]:
    sys.stdout = SlowStream()
    return dict(done=True)

@mcp.prompt()
def hello(name: str) -> str:
    return f"Hello {name}"
"""

Run = Callable[..., str]


@pytest.fixture(scope="module")
def shared(forks: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all of these tests: each is another caller's task."""
    with a_worker(forks, tmp_path_factory.mktemp("worker")) as worker:
        worker.environment |= {"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": ""}
        worker.module(MODULE)
        worker.ready()
        yield worker


@pytest.fixture
def gateway(shared: Worker) -> WorkGateway:
    return shared.gateway


NUMBERS = itertools.count(1)


@pytest.fixture
def uid() -> str:
    return f"uid-{next(NUMBERS)}"


@pytest.mark.parametrize("tool", ["add", "add_later"])
def test_a_tool_gets_its_arguments_and_the_gateway_its_result(gateway: WorkGateway, uid: str, tool: str) -> None:
    gateway.run(tool, '{"a": 1, "b": 2.5}', uid)
    assert gateway.result(uid) == {"sum": 3.5}


def test_the_attempt_is_named_with_its_outcome(gateway: WorkGateway, uid: str) -> None:
    gateway.run("attempt", uid=uid, attempt=4)
    assert gateway.result(uid) == {"id": uid.replace("uid", "task"), "attempt": 4}
    (delivered,) = [each for each in gateway.received if each.uid == uid]
    assert (delivered.task, delivered.attempt) == (uid.replace("uid", "task"), 4)


def test_programs_that_a_tool_starts_know_their_task_and_its_trace(gateway: WorkGateway) -> None:
    span = f"00-{'a' * 32}-{'b' * 16}-01"
    gateway.run("variables", uid="uid-traced", trace_context=TraceContext(traceparent=span))
    assert gateway.result("uid-traced") == {"MCPTASKS_TASK_ID": "task-traced", "TRACEPARENT": span}
    gateway.run("variables", uid="uid-untraced")
    assert gateway.result("uid-untraced") == {"MCPTASKS_TASK_ID": "task-untraced", "TRACEPARENT": None}


def test_a_tools_error_is_its_result(gateway: WorkGateway, uid: str) -> None:
    gateway.run("fail", uid=uid)
    outcome = gateway.outcome(uid)
    assert (outcome["kind"], outcome["isError"]) == ("result", True)
    assert outcome["detail"].startswith("ValueError: bad luck")
    assert "ValueError: bad luck" in outcome["logTail"]


def test_each_task_has_a_fresh_process_with_nothing_of_the_one_before(shared: Worker, gateway: WorkGateway) -> None:
    found = []
    for uid in ("uid-fresh-1", "uid-fresh-2"):
        gateway.run("surroundings", uid=uid)
        found.append(gateway.result(uid))
    for each in found:
        assert each["pid"] == each["group"] == each["session"]
        assert (each["main"], each["left"], each["stdin"]) == ("MainThread", 1, "")
        assert each["variable"] == "set by the import and a task"
        assert each["variables"] == {
            "OMP_NUM_THREADS": "7",
            "OPENBLAS_NUM_THREADS": "",
            "TMPDIR": each["temporary"],
        }
        assert each["directory"] == str(shared.folder)
        assert each["signals"] is True
    one, other = found
    assert one["pid"] != other["pid"]
    assert one["random"] != other["random"]
    assert one["temporary"] != other["temporary"]
    # Standard input, both outputs, the channel to the agent, and what the loop beside the main thread has.
    assert one["open"] == other["open"]
    assert one["open"].count("socket") == 3, one["open"]


def test_temporary_files_are_removed(shared: Worker, gateway: WorkGateway, uid: str) -> None:
    gateway.run("surroundings", uid=uid)
    gateway.result(uid)
    gateway.run("add", '{"a": 1, "b": 1}', uid=f"{uid}-later")
    gateway.result(f"{uid}-later")
    eventually("the files are removed", lambda: not shared.temporary_files())


def test_progress_arrives_while_the_tool_runs(gateway: WorkGateway, uid: str) -> None:
    gateway.will(PROGRESS_PATH, GatewayAnswer(close=True), GatewayAnswer(500))
    gateway.run("report", '{"count": 8}', uid, progress_interval_seconds=0.05)
    gateway.outcome(uid)
    reports = gateway.progress(uid)
    assert reports[-1] == {"current": 8, "total": 8, "message": "at work"}
    assert len(reports) > 2


def test_a_question_is_asked_and_answered(gateway: WorkGateway, uid: str) -> None:
    answer = {"answers": [{"key": "1-1", "text": json.dumps({"action": "accept", "content": {"name": "Ada"}})}]}
    gateway.will(INPUT_PATH, GatewayAnswer(200, b'{"answers": []}'), GatewayAnswer(200, json.dumps(answer).encode()))
    gateway.run("ask", uid=uid, request={"clientCapabilities": {"elicitation": {"form": {}}}})
    assert gateway.result(uid) == {"name": "Ada"}


def test_the_time_that_a_task_waits_for_an_answer_does_not_count(gateway: WorkGateway, uid: str) -> None:
    answer = {"answers": [{"key": "1-1", "text": json.dumps({"action": "accept", "content": {"name": "Ada"}})}]}
    late = GatewayAnswer(200, json.dumps(answer).encode(), seconds=4)
    gateway.will(INPUT_PATH, GatewayAnswer(200, b'{"answers": []}'), late)
    capabilities: dict[str, object] = {"clientCapabilities": {"elicitation": {"form": {}}}}
    gateway.run("ask", uid=uid, request=capabilities, timeout_seconds=3)
    assert gateway.result(uid) == {"name": "Ada"}


def test_a_prompt_runs_as_well(gateway: WorkGateway, uid: str) -> None:
    gateway.run("", '{"name": "you"}', uid, component={"kind": "prompt", "name": "hello"})
    assert "Hello you" in gateway.outcome(uid)["text"]


def test_what_a_task_prints_is_its_own_in_the_log_and_comes_with_the_outcome(
    shared: Worker, gateway: WorkGateway, uid: str
) -> None:
    gateway.run("talk", uid=uid)
    tail = gateway.outcome(uid)["logTail"]
    printed = ["to stdout", "to stderr", "x" * 10_000, "[task-9/1] not mine"]
    lines = list(lines_of_task(shared.log.splitlines(), uid.replace("uid", "task")))
    assert [line for line in lines if line in printed] == printed
    assert [line for line in tail.splitlines() if line in printed] == printed
    assert any(line.startswith("no end") for line in lines)
    assert max(map(len, shared.log.splitlines(keepends=True))) <= MAX_LINE_BYTES


def test_a_task_that_prints_without_end_ends_and_only_the_end_of_it_is_handed_in(
    shared: Worker, gateway: WorkGateway, uid: str
) -> None:
    gateway.run("talk_much", '{"lines": 100000}', uid)
    assert gateway.result(uid) == {"done": True}
    tail = gateway.outcome(uid)["logTail"]
    assert MAX_LOG_TAIL_BYTES - 200 <= len(tail) <= MAX_LOG_TAIL_BYTES
    lines = [line for line in tail.splitlines() if line.endswith("x")]
    assert lines[-1].startswith("0000099999")
    assert all(len(line) == 63 for line in lines)
    whole = list(lines_of_task(shared.log.splitlines(), uid.replace("uid", "task")))
    assert len([line for line in whole if line.endswith("x")]) == 100_000


def test_of_a_task_that_prints_without_end_as_much_is_handed_in_as_its_assignment_asks_for(
    shared: Worker, gateway: WorkGateway, uid: str
) -> None:
    gateway.run("talk_much", '{"lines": 100000}', uid, max_log_bytes=1024 * 1024)
    lines = gateway.outcome(uid)["logTail"].splitlines()
    assert 1024 * 1024 - 300 <= len("\n".join(lines)) <= 1024 * 1024
    assert any(line.startswith("0000000000 ") for line in lines[:20])
    assert any(line.startswith("0000099999 ") for line in lines[-20:])
    (mark,) = [line for line in lines if "left out" in line]
    assert len(lines) - 1 + int(mark.split()[1].replace(",", "")) >= 100_000


def test_processes_that_a_task_leaves_are_gone_before_its_outcome_is_delivered(gateway: WorkGateway, uid: str) -> None:
    gateway.run("leave_processes", uid=uid)
    pids = gateway.result(uid)["pids"]
    assert len(pids) == 3
    assert all(gone(pid, 0.2) for pid in pids)


@pytest.mark.parametrize("tool", ["leave_thread", "unfinished_exit_handler", "never_flushed"])
def test_what_keeps_a_process_from_ending_does_not_keep_the_result(gateway: WorkGateway, uid: str, tool: str) -> None:
    gateway.run(tool, uid=uid)
    assert gateway.result(uid) == {"done": True}


@pytest.mark.parametrize(
    ("tool", "arguments", "facts"),
    [
        ("exit_now", '{"code": 7}', {"exitCode": 7}),
        ("exit_now", '{"code": 0}', {"exitCode": 0}),
        ("die", '{"number": 11}', {"signal": 11}),
        ("die", '{"number": 9}', {"signal": 9}),
    ],
)
def test_a_process_that_ends_without_an_answer_is_told_of(
    gateway: WorkGateway, uid: str, tool: str, arguments: str, facts: dict[str, int]
) -> None:
    gateway.run(tool, arguments, uid)
    outcome = gateway.outcome(uid)
    assert outcome["kind"] == "process"
    assert {name: outcome[name] for name in ("exitCode", "signal") if name in outcome} == facts
    assert not any(outcome[name] for name in ("ordered", "deadlineExceeded", "workerStopped", "oomKilled"))


def test_a_task_that_forks_gives_one_result(gateway: WorkGateway, uid: str) -> None:
    gateway.run("fork_and_return", uid=uid)
    assert gateway.result(uid) == {"copy": False}


def test_a_task_that_closes_all_descriptors_ends_with_the_reason(gateway: WorkGateway, uid: str) -> None:
    gateway.run("close_descriptors", uid=uid)
    outcome = gateway.outcome(uid)
    assert outcome["kind"] == "process"
    assert "closed its connection" in outcome["message"]


@pytest.mark.parametrize("tool", ["change_directory", "ignore_signals"])
def test_a_task_that_changes_its_process_changes_nothing_for_the_next(
    shared: Worker, gateway: WorkGateway, uid: str, tool: str
) -> None:
    gateway.run(tool, uid=uid)
    gateway.outcome(uid)
    gateway.run("surroundings", uid=f"{uid}-next")
    found = gateway.result(f"{uid}-next")
    assert found["directory"] == str(shared.folder)
    assert found["signals"] is True


def test_what_a_tool_has_printed_is_there_when_it_is_killed(gateway: WorkGateway, uid: str) -> None:
    gateway.run("leave_abruptly", uid=uid)
    assert "last words" in gateway.outcome(uid)["logTail"]


def test_a_traceback_in_the_log_has_the_frames_of_its_author(gateway: WorkGateway, uid: str) -> None:
    gateway.run("raise_what_nobody_catches", uid=uid)
    log = gateway.outcome(uid)["logTail"]
    assert "in raise_what_nobody_catches" in log
    assert "main_thread.py" not in log


def test_what_a_task_and_all_that_it_starts_use_comes_with_the_outcome(gateway: WorkGateway, uid: str) -> None:
    gateway.run("use", '{"seconds": 0.5, "mebibytes": 200}', uid)
    usage = gateway.outcome(uid)["usage"]
    assert usage["cpuSeconds"] > 1.0
    assert usage["wallSeconds"] > 2.0
    assert 200 * 2**20 < usage["peakMemoryBytes"] < 2**30


def test_the_use_of_one_task_is_not_that_of_the_next(gateway: WorkGateway, uid: str) -> None:
    gateway.run("use", '{"seconds": 0.5, "mebibytes": 200}', uid)
    before = gateway.outcome(uid)["usage"]
    gateway.run("add", '{"a": 1, "b": 2}', f"{uid}-later")
    after = gateway.outcome(f"{uid}-later")["usage"]
    assert after["cpuSeconds"] < before["cpuSeconds"] / 2
    assert after["peakMemoryBytes"] < before["peakMemoryBytes"] - 100 * 2**20


def test_a_task_that_is_killed_has_used_something_too(gateway: WorkGateway, uid: str) -> None:
    gateway.run("leave_abruptly", uid=uid)
    outcome = gateway.outcome(uid)
    assert outcome["kind"] == "process"
    assert outcome["usage"]["peakMemoryBytes"] > 2**20
