"""The runner as a process: what its tool does, what the gateway gets, and how it exits."""

from __future__ import annotations

import signal

import pytest

from mcptasks.gateway.contract import ASSIGNMENT_PATH, OUTCOME_PATH
from mcptasks.model.task import Component, ComponentKind
from tests.support.fake_gateway import FakeGateway, an_assignment
from tests.unit.runner.conftest import Ended, Runner, ended, structured


class TestRunning:
    @pytest.mark.parametrize("kind", ["def", "async def"])
    def test_the_tool_gets_its_arguments_and_the_gateway_the_result(
        self, runner: Runner, gateway: FakeGateway, kind: str
    ) -> None:
        runner.module(f"@mcp.tool()\n{kind} add(a: int, b: float) -> dict[str, float]:\n    return dict(sum=a + b)")
        gateway.assignment = an_assignment("add", '{"a": 1, "b": 2.0}')
        assert runner.run().code == 0
        assert structured(gateway) == {"sum": 3.0}
        assert [request.path for request in gateway.received] == [ASSIGNMENT_PATH, OUTCOME_PATH]
        assert {request.token for request in gateway.received} == {"token-1"}

    @pytest.mark.parametrize("kind", ["def", "async def"])
    def test_the_tool_runs_in_the_main_thread(self, runner: Runner, gateway: FakeGateway, kind: str) -> None:
        runner.module(f"""
        @mcp.tool()
        {kind} where() -> dict[str, bool]:
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            return dict(main=threading.current_thread() is threading.main_thread())
        """)
        gateway.assignment = an_assignment("where")
        runner.run()
        assert structured(gateway) == {"main": True}

    @pytest.mark.parametrize(
        ("declared", "component"),
        [
            ("@mcp.prompt()", Component(kind=ComponentKind.PROMPT, name="where")),
            ("@mcp.resource('a://b')", Component(kind=ComponentKind.RESOURCE, name="a://b")),
            ("@mcp.resource('a://{x}/c')", Component(kind=ComponentKind.RESOURCE_TEMPLATE, name="a://1/c")),
        ],
    )
    def test_prompts_and_resources_run_in_the_main_thread(
        self, runner: Runner, gateway: FakeGateway, declared: str, component: Component
    ) -> None:
        runner.module(f"""
        {declared}
        def where({"x: int" if "{x}" in declared else ""}) -> str:
            return threading.current_thread().name
        """)
        gateway.assignment = an_assignment("", component=component)
        assert runner.run().code == 0
        assert '"text":"MainThread"' in gateway.outcome()["text"]

    def test_what_the_process_and_its_children_have_used_comes_with_the_outcome(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("""
        import subprocess, sys
        @mcp.tool()
        def use() -> dict[str, bool]:
            held = b"x" * (200 << 20)
            program = "import time\\nwhile time.process_time() < 0.5: pass"
            subprocess.run([sys.executable, "-c", program], check=True)
            return dict(done=len(held) > 0)
        """)
        gateway.assignment = an_assignment("use")
        runner.run()
        usage = gateway.outcome()["usage"]
        assert usage["cpuSeconds"] > 0.5
        assert usage["wallSeconds"] > 0.5
        assert 200 * 2**20 < usage["peakMemoryBytes"] < 2**30

    def test_an_async_tool_can_run_child_processes(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("""
        import asyncio
        @mcp.tool()
        async def child() -> dict[str, str]:
            process = await asyncio.create_subprocess_exec("echo", "hello", stdout=subprocess.PIPE)
            out, _ = await process.communicate()
            return dict(out=out.decode())
        """)
        gateway.assignment = an_assignment("child")
        runner.run()
        assert structured(gateway) == {"out": "hello\n"}

    def test_the_module_of_the_assignment_is_run_where_the_pod_names_none(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("@mcp.tool()\ndef f() -> dict[str, int]:\n    return dict(n=1)")
        module = runner.environment.pop("MCPTASKS_MODULE")
        gateway.assignment = an_assignment("f", module=module)
        assert runner.run().code == 0
        assert structured(gateway) == {"n": 1}

    def test_what_the_tool_prints_is_in_the_log_at_once(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("""
        @mcp.tool()
        def talk() -> None:
            print("to stdout")
            print("to stderr", file=sys.stderr)
            progress(1)
            time.sleep(60)
        """)
        gateway.assignment = an_assignment("talk")
        process = runner.start()
        gateway.wait_for(lambda: bool(gateway.progress()))
        assert process.stdout is not None
        assert process.stdout.readline() == "to stdout\n"

    def test_the_log_names_the_task(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("""
        import logging
        @mcp.tool()
        def talk() -> None:
            logging.getLogger("mine").warning("careful")
        """)
        gateway.assignment = an_assignment("talk")
        assert "WARNING mine: [task-1] careful" in runner.run().err

    def test_a_message_of_the_context_is_in_the_log_without_warnings(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("""
        from mcptasks import Context
        @mcp.tool()
        async def talk(ctx: Context) -> None:
            await ctx.info("careful")
            await ctx.warning("very careful")
        """)
        gateway.assignment = an_assignment("talk")
        left = runner.run()
        assert left.code == 0
        assert "INFO    mcptasks.tool: [task-1] careful" in left.err
        assert "WARNING mcptasks.tool: [task-1] very careful" in left.err
        assert "eprecat" not in left.err

    def test_a_mebibyte_of_output_does_not_stop_the_tool(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("""
        @mcp.tool()
        def shout() -> dict[str, bool]:
            for _ in range(16 * 1024):
                print("x" * 63)
            return dict(done=True)
        """)
        gateway.assignment = an_assignment("shout")
        process = runner.start()
        out, _ = process.communicate(timeout=30)
        assert (process.returncode, len(out)) == (0, 1024 * 1024)
        assert structured(gateway) == {"done": True}


SPREAD = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def double(number: int) -> int:
    return 2 * number

@mcp.tool()
def spread() -> list[int]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context({method!r})) as pool:
        return list(pool.map(double, [1, 2]))
"""


class TestProcesses:
    @pytest.mark.parametrize("method", ["spawn", "forkserver"])
    def test_functions_of_the_module_are_found_in_fresh_interpreters(
        self, runner: Runner, gateway: FakeGateway, method: str
    ) -> None:
        runner.module(SPREAD.format(method=method))
        gateway.assignment = an_assignment("spread")
        left = runner.run()
        assert left.code == 0, left.err
        assert structured(gateway) == {"result": [2, 4]}

    @pytest.mark.parametrize(
        "name",
        ["random.py", "mcp.py", "time.py", "my-server.py", "2fast.py", "class.py", "v1.2/server.v2.py", "a b.py"],
    )
    def test_they_are_found_whatever_the_files_name_is(self, runner: Runner, gateway: FakeGateway, name: str) -> None:
        runner.module(SPREAD.format(method="spawn"), name)
        gateway.assignment = an_assignment("spread")
        left = runner.run()
        assert left.code == 0, left.err
        assert structured(gateway) == {"result": [2, 4]}


class TestDependencies:
    @pytest.mark.parametrize("kind", ["def", "async def"])
    def test_they_are_closed_when_the_call_is_cancelled_and_the_event_is_set(
        self, runner: Runner, gateway: FakeGateway, kind: str
    ) -> None:
        sleep = "time.sleep(60)" if kind == "def" else "await asyncio.sleep(60)"
        runner.module(f"""
        import asyncio
        from mcptasks import CurrentTask, Depends, TaskInfo

        def resource():
            try:
                yield threading.current_thread().name
            finally:
                print("closed in", threading.current_thread().name)

        @mcp.tool()
        {kind} it(name: str = Depends(resource), task: TaskInfo = CurrentTask()) -> None:
            try:
                progress(1)
                {sleep}
            finally:
                print("ended in", threading.current_thread().name, task.cancelled.wait(10), task.id, task.attempt)
        """)
        gateway.assignment = an_assignment("it")
        process = runner.start()
        gateway.wait_for(lambda: bool(gateway.progress()))
        process.send_signal(signal.SIGTERM)
        left = ended(process)
        assert left.code == 128 + signal.SIGTERM
        assert left.out == "ended in MainThread True task-1 1\nclosed in MainThread\n"

    def test_the_deadline_is_that_of_the_attempt(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("""
        from datetime import UTC, datetime
        from mcptasks import CurrentTask, TaskInfo

        @mcp.tool()
        def left(task: TaskInfo = CurrentTask()) -> dict[str, float]:
            return dict(seconds=(task.deadline - datetime.now(UTC)).total_seconds())
        """)
        gateway.assignment = an_assignment("left", timeout_seconds=600)
        assert runner.run().code == 0
        answer = structured(gateway)
        assert isinstance(answer, dict)
        assert 500 < answer["seconds"] < 600


class TestLoading:
    def failure(self, runner: Runner, gateway: FakeGateway) -> tuple[Ended, str]:
        result = runner.run()
        outcome = gateway.outcome()
        assert (result.code, outcome["kind"], outcome["reason"]) == (65, "failure", "ModuleNotLoadable")
        return result, outcome["message"]

    def test_a_module_that_raises_is_a_failure_with_its_last_line_and_the_traceback_in_the_log(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("import nothing_of_this_name")
        result, message = self.failure(runner, gateway)
        assert "No module named 'nothing_of_this_name'" in message
        assert "image has the module and all that it imports" in message
        assert "Traceback" not in message
        assert "Traceback" in result.err

    def test_callers_that_may_not_see_exceptions_do_not_learn_why_a_module_cannot_be_imported(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("raise RuntimeError('no database at postgres://app:secret@db')")
        gateway.assignment = an_assignment("any", show_exceptions=False)
        _, message = self.failure(runner, gateway)
        assert "cannot be imported. Make sure" in message
        assert "secret" not in message
        assert "secret" in gateway.outcome()["detail"]

    def test_a_module_that_is_not_there_is_a_failure(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.environment["MCPTASKS_MODULE"] = "missing.py"
        _, message = self.failure(runner, gateway)
        assert "there is no file missing.py" in message

    def test_no_module_at_all_is_a_failure(self, runner: Runner, gateway: FakeGateway) -> None:
        _, message = self.failure(runner, gateway)
        assert "MCPTASKS_MODULE" in message

    def test_a_tool_that_the_module_does_not_have_is_a_failure(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("")
        gateway.assignment = an_assignment("other")
        assert runner.run().code == 65
        assert gateway.outcome()["reason"] == "ComponentNotFound"


class TestUser:
    def test_a_tool_has_a_name_and_a_home_to_write_to_whatever_its_pod_says(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("""
        import getpass

        imported_with = Path.home()

        @mcp.tool()
        def who() -> dict[str, object]:
            (Path.home() / "cache").mkdir()
            same = Path.home() == imported_with
            (Path.home() / "cache").rmdir()
            Path.home().rmdir()
            return dict(name=getpass.getuser(), same=same)
        """)
        runner.environment |= {"HOME": "/nonexistent", "USER": "", "LOGNAME": "", "LNAME": "", "USERNAME": ""}
        gateway.assignment = an_assignment("who")
        assert runner.run().code == 0
        assert structured(gateway)["same"] is True  # type: ignore[index]
