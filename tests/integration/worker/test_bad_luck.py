"""What befalls a worker: what a module does to forks, lost networks, agents that stand still, ends that coincide.

Each attempt has one outcome, and each worker that cannot run tasks any more says why and makes room for another one.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from mcptasks.gateway.contract import OUTCOME_PATH, DrainOrder, PrepareOrder, RunnerExitCode, RunOrder, WithdrawOrder
from tests.integration.worker.harness import Worker, gone
from tests.support.fake_gateway import GatewayAnswer, an_assignment
from tests.support.polling import eventually
from tests.support.work_gateway import WorkGateway

pytestmark = pytest.mark.long

MODULE = """
@mcp.tool()
def add(a: int) -> dict[str, int]:
    return dict(sum=a + 1)

@mcp.tool()
def wait(until: str, begun: str) -> dict[str, bool]:
    with open(begun, "a") as file:
        file.write("begun\\n")
    while not Path(until).exists():
        time.sleep(0.02)
    return dict(done=True)

@mcp.tool()
def stand_still() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)

@mcp.tool()
def end_its_parent() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
"""


def started(worker: Worker, source: str = "") -> WorkGateway:
    worker.module(f"{source}\n{MODULE}")
    worker.ready()
    return worker.gateway


def waiting(worker: Worker, uid: str = "uid-1") -> tuple[Path, Path]:
    """Run a task that ends once the first file is there; the second one has a line for each time that it began."""
    until, begun = worker.folder / f"until-{uid}", worker.folder / f"begun-{uid}"
    worker.gateway.run("wait", f'{{"until": "{until}", "begun": "{begun}"}}', uid)
    eventually("the task runs", begun.exists)
    return until, begun


def ran_once(worker: Worker, begun: Path, uid: str = "uid-1") -> bool:
    assert worker.gateway.result(uid) == {"done": True}
    return begun.read_text() == "begun\n"


class TestModulesThatHookIntoForks:
    @pytest.mark.parametrize("what", ["os._exit(3)", "signal.raise_signal(signal.SIGKILL)"])
    def test_where_no_copy_lives_each_task_gets_an_interpreter_of_its_own(self, worker: Worker, what: str) -> None:
        gateway = started(worker, f"os.register_at_fork(after_in_child=lambda: {what})")
        assert "each task gets an interpreter of its own, because a copy of the process" in worker.log
        for uid in ("uid-1", "uid-2"):
            gateway.run("add", '{"a": 1}', uid)
            assert gateway.result(uid) == {"sum": 2}

    def test_processes_that_end_before_they_have_their_task_fail_it_and_the_worker_is_given_up(
        self, worker: Worker
    ) -> None:
        ends = worker.folder / "ends"
        gateway = started(
            worker, f"os.register_at_fork(after_in_child=lambda: Path({str(ends)!r}).exists() and os._exit(3))"
        )
        ends.touch()
        gateway.run("add", '{"a": 1}')
        outcome = gateway.outcome()
        assert (outcome["kind"], outcome["exitCode"]) == ("process", 3)
        ended = worker.ended()
        assert ended.code == RunnerExitCode.WORKER_GIVEN_UP
        assert "5 processes in a row ended before their task had begun, the last by exit code 3" in ended.log


class TestModulesThatNeverLoad:
    @pytest.mark.parametrize(
        "source",
        ["time.sleep(600)", "while True: pass", "os.kill(os.getpid(), signal.SIGSTOP)", "while True: print('more')"],
    )
    def test_the_worker_ends_at_its_start_deadline_and_says_so(self, worker: Worker, source: str) -> None:
        worker.environment["MCPTASKS_START_DEADLINE_SECONDS"] = "5"
        worker.module(source)
        worker.start()
        zygote = eventually("the module is being loaded", worker.processes)[0]
        ended = worker.ended()
        assert ended.code == RunnerExitCode.MODULE_NOT_LOADED
        assert "the module is being loaded still, after 5 s" in ended.log
        assert gone(zygote.pid)
        assert not worker.gateway.connections

    def test_one_that_loads_in_time_is_not_ended_later(self, worker: Worker) -> None:
        worker.environment["MCPTASKS_START_DEADLINE_SECONDS"] = "20"
        gateway = started(worker)
        gateway.run("add", '{"a": 1}')
        assert gateway.result() == {"sum": 2}


class TestLostNetworks:
    def test_a_task_that_ends_without_network_is_delivered_once_when_it_is_back(self, worker: Worker) -> None:
        gateway = started(worker)
        until, begun = waiting(worker)
        gateway.will(OUTCOME_PATH, *[GatewayAnswer(close=True)] * 5)
        gateway.connection.silent = True
        until.touch()
        gateway.wait_for(lambda: len(gateway.connections) > 1)
        gateway.wait_for(lambda: len(gateway.outcomes()) == 6)
        assert begun.read_text() == "begun\n"
        assert len({str(outcome) for outcome in gateway.outcomes()}) == 1
        gateway.run("add", '{"a": 1}', "uid-2")
        assert gateway.result("uid-2") == {"sum": 2}

    def test_an_order_that_is_repeated_on_a_new_connection_does_not_begin_again_what_runs(self, worker: Worker) -> None:
        gateway = started(worker)
        until, begun = waiting(worker)
        gateway.connection.silent = True
        gateway.wait_for(lambda: len(gateway.connections) > 1)
        arguments = f'{{"until": "{until}", "begun": "{begun}"}}'
        repeated = an_assignment("wait", arguments, task_id="task-1", uid="uid-1")
        gateway.order(PrepareOrder(task_id="task-1", uid="uid-1"), RunOrder(uid="uid-1", assignment=repeated))
        until.touch()
        assert ran_once(worker, begun)


class TestAgentsThatStandStill:
    def test_its_task_goes_on_and_is_delivered_once_when_it_does(self, worker: Worker) -> None:
        gateway = started(worker)
        until, begun = waiting(worker)
        worker.agent.suspend()
        until.touch()
        connections = len(gateway.connections)
        gateway.connection.silent = True
        time.sleep(2)
        worker.agent.resume()
        gateway.wait_for(lambda: len(gateway.connections) > connections)
        assert ran_once(worker, begun)
        gateway.run("add", '{"a": 1}', "uid-2")
        assert gateway.result("uid-2") == {"sum": 2}

    def test_what_was_ordered_meanwhile_runs_once(self, worker: Worker) -> None:
        gateway = started(worker)
        worker.agent.suspend()
        until, begun = worker.folder / "until", worker.folder / "begun"
        gateway.run("wait", f'{{"until": "{until}", "begun": "{begun}"}}')
        time.sleep(0.3)
        worker.agent.resume()
        until.touch()
        assert ran_once(worker, begun)


class TestTasksThatHurtTheirWorker:
    def test_one_that_stops_itself_ends_at_its_deadline(self, worker: Worker) -> None:
        worker.environment["MCPTASKS_GRACE_SECONDS"] = "1"
        gateway = started(worker)
        gateway.run("stand_still", timeout_seconds=1)
        assert gateway.outcome()["deadlineExceeded"] is True
        gateway.run("add", '{"a": 1}', "uid-2")
        assert gateway.result("uid-2") == {"sum": 2}

    def test_one_that_ends_the_process_above_it_ends_and_hurts_nobody_else(self, worker: Worker) -> None:
        gateway = started(worker)
        gateway.run("end_its_parent")
        assert gateway.outcome()["kind"] == "process"
        gateway.run("add", '{"a": 1}', "uid-2")
        assert gateway.result("uid-2") == {"sum": 2}

    def test_an_idle_worker_whose_module_is_lost_is_given_up(self, worker: Worker) -> None:
        """As by the kernel, for want of memory between two tasks."""
        started(worker)
        worker.zygote().send_signal(signal.SIGKILL)
        ended = worker.ended()
        assert ended.code == RunnerExitCode.WORKER_GIVEN_UP
        assert "the process that holds the module was ended by SIGKILL" in ended.log


class TestDrainsThatCoincide:
    """With a claim, with a result, and with an outcome that is not acknowledged yet."""

    def test_a_claim_that_stands_runs(self, worker: Worker) -> None:
        gateway = started(worker)
        assignment = an_assignment("add", '{"a": 1}')
        gateway.order(
            PrepareOrder(task_id="task-1", uid="uid-1"), DrainOrder(), RunOrder(uid="uid-1", assignment=assignment)
        )
        assert gateway.result() == {"sum": 2}
        assert worker.ended().code == 0

    def test_a_claim_that_does_not_keeps_nobody(self, worker: Worker) -> None:
        gateway = started(worker)
        gateway.order(PrepareOrder(task_id="task-1", uid="uid-1"), DrainOrder(), WithdrawOrder(uid="uid-1"))
        assert worker.ended().code == 0
        assert not gateway.received

    def test_a_claim_that_stands_when_the_pod_ends_is_given_back(self, worker: Worker) -> None:
        worker.environment["MCPTASKS_GRACE_SECONDS"] = "60"
        gateway = started(worker)
        waiting(worker)
        gateway.order(PrepareOrder(task_id="task-2", uid="uid-2"))
        eventually("it prepares", lambda: len(worker.zygote().children()) == 2)
        worker.agent.send_signal(signal.SIGTERM)
        assert gateway.outcome()["workerStopped"]
        assignment = an_assignment("add", '{"a": 1}', task_id="task-2", uid="uid-2")
        gateway.order(RunOrder(uid="uid-2", assignment=assignment))
        given_back = gateway.outcome("uid-2")
        assert (given_back["kind"], given_back["message"]) == ("unstarted", "its worker is ending")
        assert worker.ended().code == 0

    def test_a_task_that_ends_in_that_instant_is_delivered(self, worker: Worker) -> None:
        gateway = started(worker)
        until, begun = waiting(worker)
        until.touch()
        gateway.order(DrainOrder())
        assert ran_once(worker, begun)
        assert worker.ended().code == 0

    def test_an_outcome_that_is_on_its_way_arrives(self, worker: Worker) -> None:
        gateway = started(worker)
        gateway.will(OUTCOME_PATH, *[GatewayAnswer(close=True)] * 3)
        gateway.run("add", '{"a": 1}')
        gateway.wait_for(lambda: bool(gateway.outcomes()))
        gateway.order(DrainOrder())
        assert worker.ended().code == 0
        assert len(gateway.outcomes()) == 4
