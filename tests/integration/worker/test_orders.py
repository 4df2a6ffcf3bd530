"""What a worker does with the gateway's orders, and without a gateway."""

from __future__ import annotations

import signal
import time

import psutil
import pytest

from mcptasks.gateway.contract import (
    OUTCOME_PATH,
    DrainOrder,
    PrepareOrder,
    RefusalCode,
    RunnerExitCode,
    RunOrder,
    WithdrawOrder,
)
from tests.integration.worker.harness import Worker, gone
from tests.support.fake_gateway import GatewayAnswer, an_assignment, refusal
from tests.support.polling import eventually
from tests.support.work_gateway import WorkGateway

MODULE = """
@mcp.tool()
def add(a: int) -> dict[str, int]:
    return dict(sum=a + 1)

@mcp.tool()
def wait(until: str = "", seconds: float = 60) -> dict[str, bool]:
    progress(os.getpid())
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (until and Path(until).exists()):
        time.sleep(0.02)
    return dict(done=True)

@mcp.tool()
def clean_up() -> None:
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        progress(child.pid)
        time.sleep(60)
    finally:
        print("cleaned up")

@mcp.tool()
def refuse_to_end() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    progress(os.getpid())
    while True:
        time.sleep(1)

@mcp.tool()
def give_back_too_late() -> dict[str, bool]:
    try:
        progress(1)
        time.sleep(60)
    except BaseException:
        pass
    return dict(done=True)
"""


@pytest.fixture(autouse=True)
def _ready(worker: Worker) -> None:
    worker.module(MODULE)
    worker.ready()


def at_work(gateway: WorkGateway, uid: str = "uid-1") -> int:
    """Wait for the tool's first report; gives what it has reported: a pid."""
    gateway.wait_for(lambda: bool(gateway.progress(uid)))
    return int(gateway.progress(uid)[0]["current"])


def prepared(worker: Worker, gateway: WorkGateway) -> psutil.Process:
    """Order a process to be made; gives it. Its parent is its reaper."""
    gateway.order(PrepareOrder(task_id="task-1", uid="uid-1"))
    (reaper,) = eventually("there is a reaper", lambda: worker.zygote().children())
    (process,) = eventually("there is a process", reaper.children)
    return process


class TestClaims:
    def test_the_process_is_there_before_the_claim_is(self, worker: Worker, gateway: WorkGateway) -> None:
        process = prepared(worker, gateway)
        gateway.order(RunOrder(uid="uid-1", assignment=an_assignment("wait")))
        assert at_work(gateway) == process.pid

    def test_a_claim_that_did_not_come_to_be_leaves_nothing(self, worker: Worker, gateway: WorkGateway) -> None:
        process = prepared(worker, gateway)
        gateway.order(WithdrawOrder(uid="uid-1"))
        assert gone(process.pid)
        gateway.run("add", '{"a": 1}', "uid-2")
        assert gateway.result("uid-2") == {"sum": 2}
        assert not gateway.outcomes("uid-1")

    @pytest.mark.parametrize("reaper_too", [False, True])
    def test_a_process_that_dies_before_its_task_is_there_is_replaced(
        self, worker: Worker, gateway: WorkGateway, reaper_too: bool
    ) -> None:
        process = prepared(worker, gateway)
        for each in (process.parent(), process) if reaper_too else (process,):
            assert each is not None
            each.kill()
        gateway.order(RunOrder(uid="uid-1", assignment=an_assignment("add", '{"a": 1}')))
        assert gateway.result() == {"sum": 2}

    def test_a_reaper_serves_one_task_after_another(self, worker: Worker, gateway: WorkGateway) -> None:
        reapers = set()
        for number in (1, 2, 3):
            gateway.run("add", '{"a": 1}', f"uid-{number}")
            gateway.result(f"uid-{number}")
            eventually("the process is gone", lambda: len(worker.processes()) == 2)
            reapers |= {each.pid for each in worker.zygote().children()}
        assert len(reapers) == 1

    def test_an_idle_reaper_that_is_killed_is_replaced(self, worker: Worker, gateway: WorkGateway) -> None:
        for uid in ("uid-1", "uid-2"):
            gateway.run("add", '{"a": 1}', uid)
            assert gateway.result(uid) == {"sum": 2}
            eventually("the reaper is idle", lambda: len(worker.processes()) == 2)
            (reaper,) = (each for each in worker.processes() if each != worker.zygote())
            reaper.kill()

    def test_a_task_that_nobody_announced_runs_as_well(self, gateway: WorkGateway) -> None:
        gateway.order(RunOrder(uid="uid-1", assignment=an_assignment("add", '{"a": 1}')))
        assert gateway.result() == {"sum": 2}

    def test_an_attempt_that_is_ordered_again_runs_once_and_the_next_one_runs(self, gateway: WorkGateway) -> None:
        first = gateway.run("add", '{"a": 1}')
        gateway.order(RunOrder(uid="uid-1", assignment=first))
        gateway.result()
        gateway.order(RunOrder(uid="uid-1", assignment=first))
        gateway.run("add", '{"a": 1}', attempt=2)
        gateway.wait_for(lambda: len(gateway.outcomes()) == 2)
        gateway.run("add", '{"a": 1}', "uid-2")
        gateway.result("uid-2")
        assert [each.attempt for each in gateway.received if each.uid == "uid-1"] == [1, 2]


class TestEnds:
    def test_a_cancelled_task_cleans_up_and_leaves_no_process(self, worker: Worker, gateway: WorkGateway) -> None:
        gateway.run("clean_up")
        child = at_work(gateway)
        gateway.end()
        outcome = gateway.outcome()
        assert (outcome["kind"], outcome["exitCode"], outcome["ordered"]) == ("process", 143, True)
        assert "cleaned up" in outcome["logTail"]
        assert gone(child, 0.2)

    def test_a_task_that_refuses_to_end_is_killed_after_the_grace_period(self, gateway: WorkGateway) -> None:
        gateway.run("refuse_to_end")
        pid = at_work(gateway)
        start = time.monotonic()
        gateway.end()
        outcome = gateway.outcome()
        assert (outcome["signal"], outcome["ordered"]) == (9, True)
        assert time.monotonic() - start >= 3
        assert gone(pid, 0.2)

    def test_an_end_that_comes_with_the_order_to_run_is_heard(self, gateway: WorkGateway) -> None:
        gateway.run("wait")
        gateway.end()
        start = time.monotonic()
        assert gateway.outcome()["ordered"] is True
        assert time.monotonic() - start < 3, "it waited for the grace period"

    def test_the_end_of_another_attempt_ends_nothing(self, worker: Worker, gateway: WorkGateway) -> None:
        until = worker.folder / "until"
        gateway.run("wait", f'{{"until": "{until}"}}', attempt=2)
        at_work(gateway)
        gateway.end(attempt=1)
        gateway.run("add", '{"a": 1}', "uid-2")
        gateway.result("uid-2")
        until.touch()
        assert gateway.result() == {"done": True}

    @pytest.mark.parametrize("tool", ["wait", "give_back_too_late"])
    def test_a_task_that_runs_for_too_long_is_ended_with_that_reason(self, gateway: WorkGateway, tool: str) -> None:
        gateway.run(tool, timeout_seconds=1)
        outcome = gateway.outcome()
        assert (outcome["kind"], outcome["deadlineExceeded"], outcome["ordered"]) == ("process", True, False)

    def test_tasks_side_by_side_end_one_by_one(self, gateway: WorkGateway) -> None:
        for number in (1, 2, 3):
            gateway.run("clean_up", uid=f"uid-{number}")
        pids = [at_work(gateway, f"uid-{number}") for number in (1, 2, 3)]
        gateway.end("uid-2")
        assert gateway.outcome("uid-2")["ordered"] is True
        assert [psutil.pid_exists(pid) for pid in pids] == [True, False, True]


class TestOutcomes:
    def test_a_gateway_that_is_away_delays_the_outcome_only(self, gateway: WorkGateway) -> None:
        gateway.will(OUTCOME_PATH, GatewayAnswer(close=True), GatewayAnswer(502), refusal(503, RefusalCode.UNAVAILABLE))
        gateway.run("add", '{"a": 1}')
        gateway.wait_for(lambda: len(gateway.outcomes()) == 4)
        assert len({str(body) for body in gateway.outcomes()}) == 1

    def test_an_outcome_that_the_gateway_never_takes_becomes_a_failure(self, gateway: WorkGateway) -> None:
        gateway.will(OUTCOME_PATH, refusal(422, RefusalCode.INVALID, "no JSON object"))
        gateway.run("add", '{"a": 1}')
        gateway.wait_for(lambda: len(gateway.outcomes()) == 2)
        assert gateway.outcomes()[1]["reason"] == "ResultNotSerializable"

    def test_an_outcome_for_a_task_that_is_over_is_not_repeated(self, gateway: WorkGateway) -> None:
        gateway.will(OUTCOME_PATH, refusal(410, RefusalCode.TASK_ENDED, "cancelled"))
        gateway.run("add", '{"a": 1}')
        gateway.run("add", '{"a": 1}', "uid-2")
        gateway.result("uid-2")
        assert gateway.outcome()["kind"] == "result"


class TestConnections:
    def test_a_worker_that_hears_nothing_connects_anew_and_says_what_it_holds(
        self, worker: Worker, gateway: WorkGateway
    ) -> None:
        until = worker.folder / "until"
        gateway.run("wait", f'{{"until": "{until}"}}', attempt=3)
        at_work(gateway)
        gateway.connection.silent = True
        gateway.wait_for(lambda: len(gateway.connections) == 2)
        assert gateway.connection.query["holds"] == "uid-1:3"
        until.touch()
        assert gateway.result() == {"done": True}
        gateway.run("add", '{"a": 1}', "uid-2")
        assert gateway.result("uid-2") == {"sum": 2}

    def test_a_signal_of_life_keeps_the_connection(self, gateway: WorkGateway) -> None:
        start = time.monotonic()
        while time.monotonic() - start < 3:
            gateway.run("add", '{"a": 1}', f"uid-{time.monotonic_ns()}")
            time.sleep(0.7)
        assert len(gateway.connections) == 1

    def test_a_connection_that_is_lost_takes_what_was_not_claimed_along(
        self, worker: Worker, gateway: WorkGateway
    ) -> None:
        process = prepared(worker, gateway)
        gateway.connection.orders.put(None)
        gateway.wait_for(lambda: len(gateway.connections) == 2)
        assert "holds" not in gateway.connection.query
        assert gone(process.pid)
        gateway.run("add", '{"a": 1}')
        assert gateway.result() == {"sum": 2}

    def test_the_module_and_the_number_of_tasks_are_announced(self, gateway: WorkGateway) -> None:
        assert len(gateway.connection.query["module"]) == 64
        assert gateway.connection.query["concurrency"] == "1"


class TestTheEndOfAWorker:
    def test_a_worker_that_is_to_drain_finishes_what_it_holds(self, worker: Worker, gateway: WorkGateway) -> None:
        until = worker.folder / "until"
        gateway.run("wait", f'{{"until": "{until}"}}')
        at_work(gateway)
        gateway.order(DrainOrder())
        until.touch()
        assert gateway.result() == {"done": True}
        assert worker.ended().code == 0
        assert worker.temporary_files() == []

    def test_an_idle_worker_drains_at_once(self, worker: Worker, gateway: WorkGateway) -> None:
        gateway.order(DrainOrder())
        ended = worker.ended()
        assert ended.code == 0
        assert "given up" not in ended.log

    def test_a_worker_whose_pod_ends_ends_its_task_and_says_so(self, worker: Worker, gateway: WorkGateway) -> None:
        gateway.run("clean_up")
        child = at_work(gateway)
        worker.agent.send_signal(signal.SIGTERM)
        outcome = gateway.outcome()
        assert (outcome["exitCode"], outcome["workerStopped"]) == (143, True)
        assert worker.ended().code == 0
        assert gone(child, 0.2)

    def test_a_result_that_is_there_when_the_pod_ends_is_delivered(self, worker: Worker, gateway: WorkGateway) -> None:
        gateway.will(OUTCOME_PATH, *[refusal(503, RefusalCode.UNAVAILABLE)] * 3)
        gateway.run("add", '{"a": 1}')
        gateway.wait_for(lambda: bool(gateway.outcomes()))
        worker.agent.send_signal(signal.SIGTERM)
        assert worker.ended().code == 0
        assert gateway.outcomes()[-1]["kind"] == "result"
        assert len(gateway.outcomes()) == 4

    def test_an_agent_that_is_killed_leaves_no_process(self, worker: Worker, gateway: WorkGateway) -> None:
        gateway.run("clean_up")
        child = at_work(gateway)
        pids = [child, *(each.pid for each in worker.processes())]
        worker.agent.kill()
        assert all(gone(pid) for pid in pids)
        eventually("files are removed", lambda: not worker.temporary_files())

    def test_a_worker_without_its_zygote_finishes_what_it_holds_and_is_given_up(
        self, worker: Worker, gateway: WorkGateway
    ) -> None:
        until = worker.folder / "until"
        gateway.run("wait", f'{{"until": "{until}"}}')
        at_work(gateway)
        worker.zygote().kill()
        gateway.run("add", '{"a": 1}', "uid-2")
        assert gateway.outcome("uid-2")["kind"] == "unstarted"
        until.touch()
        assert gateway.result() == {"done": True}
        ended = worker.ended()
        assert ended.code == RunnerExitCode.WORKER_GIVEN_UP
        assert "this worker is given up: the process that holds the module was ended by SIGKILL" in ended.log

    def test_a_task_whose_reaper_is_killed_ends_with_all_that_it_started(
        self, worker: Worker, gateway: WorkGateway
    ) -> None:
        gateway.run("clean_up")
        child = at_work(gateway)
        (reaper,) = worker.zygote().children()
        reaper.kill()
        outcome = gateway.outcome()
        assert (outcome["kind"], outcome["signal"]) == ("process", 9)
        assert "supervised" in outcome["message"]
        assert gone(child, 0.2)
        gateway.run("add", '{"a": 1}', "uid-2")
        assert gateway.result("uid-2") == {"sum": 2}

    def test_a_zygote_that_is_lost_does_not_take_other_tasks_along_when_a_reaper_is_killed(
        self, worker: Worker, gateway: WorkGateway
    ) -> None:
        for uid in ("uid-1", "uid-2"):
            gateway.run("clean_up", uid=uid)
        at_work(gateway)
        at_work(gateway, "uid-2")
        reapers = worker.zygote().children()
        worker.zygote().kill()
        reapers[0].kill()
        gateway.wait_for(lambda: any(each.path == OUTCOME_PATH for each in gateway.received))
        (ended,) = {each.uid for each in gateway.received if each.path == OUTCOME_PATH}
        time.sleep(0.5)
        assert psutil.pid_exists(at_work(gateway, "uid-1" if ended == "uid-2" else "uid-2"))
