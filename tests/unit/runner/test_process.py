"""The runner as a process: what its tool does, what the gateway gets, and how it exits."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from mcptasks.gateway.contract import ASSIGNMENT_PATH, OUTCOME_PATH, PROGRESS_PATH, RefusalCode
from mcptasks.model.task import Component, ComponentKind
from tests.support.fake_gateway import Answer, FakeGateway, an_assignment, refusal
from tests.support.polling import eventually
from tests.unit.runner.conftest import Ended, Runner, ended


def structured(gateway: FakeGateway) -> object:
    """The tool's return value in the outcome."""
    outcome = gateway.outcome()
    assert outcome["kind"] == "result", outcome
    return json.loads(outcome["text"])["structuredContent"]


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


class TestProcesses:
    @pytest.mark.parametrize("method", ["spawn", "forkserver"])
    def test_functions_of_the_module_are_found_in_fresh_interpreters(
        self, runner: Runner, gateway: FakeGateway, method: str
    ) -> None:
        runner.module(f"""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        def double(number: int) -> int:
            return 2 * number

        @mcp.tool()
        def spread() -> list[int]:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context({method!r})) as pool:
                return list(pool.map(double, [1, 2]))
        """)
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


class TestProgress:
    def test_the_latest_progress_is_reported_at_its_pace_and_the_last_before_the_outcome(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("""
        @mcp.tool()
        def count() -> None:
            start = time.monotonic()
            number = 0
            while time.monotonic() - start < 0.6:
                number += 1
                progress(number, message="counting")
                time.sleep(0.001)
            progress(10_000_000, 10_000_000, "done")
        """)
        gateway.assignment = an_assignment("count", progress_interval_seconds=0.1)
        assert runner.run().code == 0
        reports = gateway.progress()
        assert 2 <= len(reports) <= 9
        assert reports[-1] == {"current": 10_000_000, "total": 10_000_000, "message": "done"}
        counts = [report["current"] for report in reports]
        assert counts == sorted(counts)
        assert gateway.received[-1].path == OUTCOME_PATH

    @pytest.mark.parametrize(
        "start",
        [
            "with ThreadPoolExecutor() as pool: list(pool.map(work, [7]))",
            "thread = threading.Thread(target=work, args=(7,)); thread.start(); thread.join()",
            "with ThreadPoolExecutor() as pool: pool.submit(lambda: pool.submit(work, 7).result()).result()",
        ],
    )
    @pytest.mark.parametrize("kind", ["def", "async def"])
    def test_progress_of_any_thread_arrives_while_the_tool_runs(
        self, runner: Runner, gateway: FakeGateway, kind: str, start: str
    ) -> None:
        runner.module(f"""
        from concurrent.futures import ThreadPoolExecutor
        done = threading.Event()

        def work(number: int) -> None:
            progress(number, 10, "in a thread")
            done.wait()

        @mcp.tool()
        {kind} spread() -> None:
            {start}
        """)
        gateway.assignment = an_assignment("spread")
        process = runner.start()
        gateway.wait_for(lambda: bool(gateway.progress()))
        assert gateway.progress() == [{"current": 7, "total": 10, "message": "in a thread"}]
        process.kill()

    @pytest.mark.parametrize("report", ["progress(7)", "await ctx.report_progress(7)", "it.increment(7)"])
    def test_a_coroutine_that_blocks_shows_its_progress_and_ends_soon_when_it_is_cancelled(
        self, runner: Runner, gateway: FakeGateway, report: str
    ) -> None:
        runner.module(f"""
        from mcp.server.mcpserver import Context
        from mcptasks import Depends, Progress

        def resource():
            yield 1
            print("closed")

        @mcp.tool()
        async def block(ctx: Context, it: Progress = Progress(), one: int = Depends(resource)) -> None:
            try:
                {report}
                time.sleep(60)
            finally:
                print("cleaned up")
        """)
        gateway.assignment = an_assignment("block")
        process = runner.start()
        gateway.wait_for(lambda: bool(gateway.progress()))
        assert gateway.progress()[0]["current"] == 7
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        left = ended(process)
        assert (left.code, left.out) == (143, "cleaned up\n")
        assert time.monotonic() - start < 5

    def test_what_is_no_progress_does_not_fail_the_tool(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("""
        @mcp.tool()
        def work() -> dict[str, bool]:
            progress("half")
            progress(1, "two")
            return dict(done=True)
        """)
        gateway.assignment = an_assignment("work")
        assert runner.run().code == 0
        assert structured(gateway) == {"done": True}

    def test_a_gateway_that_takes_no_progress_does_not_fail_the_tool(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("""
        @mcp.tool()
        def count() -> dict[str, int]:
            for number in range(5):
                progress(number)
                time.sleep(0.1)
            progress(float("nan"))
            return dict(n=number)
        """)
        gateway.assignment = an_assignment("count")
        gateway.will(PROGRESS_PATH, Answer(500), Answer(close=True), refusal(422, RefusalCode.INVALID))
        assert runner.run().code == 0
        assert structured(gateway) == {"n": 4}
        assert gateway.progress()[-1]["current"] == 4

    @pytest.mark.parametrize("code", [RefusalCode.SUPERSEDED, RefusalCode.TASK_ENDED])
    def test_a_tool_whose_task_is_over_is_ended(self, runner: Runner, gateway: FakeGateway, code: RefusalCode) -> None:
        runner.module("""
        @mcp.tool()
        def count() -> None:
            try:
                progress(1)
                time.sleep(60)
            finally:
                print("cleaned up")
        """)
        gateway.assignment = an_assignment("count")
        gateway.will(PROGRESS_PATH, refusal(410, code, "it is over"))
        result = runner.run()
        assert (result.code, result.out) == (0, "cleaned up\n")
        assert "it is over" in result.err
        assert not gateway.requests(OUTCOME_PATH)


class TestBadTools:
    def test_a_tools_error_is_its_result_and_its_traceback_is_in_the_log_only(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("""
        @mcp.tool()
        def fail() -> None:
            secret_local_name()

        def secret_local_name():
            raise ValueError("bad luck")
        """)
        gateway.assignment = an_assignment("fail")
        result = runner.run()
        outcome = gateway.outcome()
        assert (result.code, outcome["kind"], outcome["isError"]) == (0, "result", True)
        assert outcome["message"]
        detail = outcome.pop("detail")
        assert "secret_local_name" not in json.dumps(outcome)
        assert "bad luck" not in json.dumps(outcome)
        assert detail.splitlines()[0] == "ValueError: bad luck"
        assert detail.splitlines()[-1].endswith(" in secret_local_name")
        last = result.err[: result.err.index("ValueError: bad luck")].splitlines()[-2:]
        assert last[0].endswith(", in secret_local_name")
        assert "site-packages" not in result.err

    @pytest.mark.parametrize(
        ("statement", "code"),
        [("sys.exit(7)", 7), ("sys.exit('why')", 1), ("sys.exit()", 0), ("raise KeyboardInterrupt", 130)],
    )
    @pytest.mark.parametrize("kind", ["def", "async def"])
    def test_a_tool_that_exits_ends_the_process_without_an_outcome(
        self, runner: Runner, gateway: FakeGateway, kind: str, statement: str, code: int
    ) -> None:
        runner.module(f"""
        @mcp.tool()
        {kind} leave() -> None:
            try:
                {statement}
            finally:
                print("cleaned up")
        """)
        gateway.assignment = an_assignment("leave")
        result = runner.run()
        assert (result.code, result.out) == (code, "cleaned up\n")
        assert "the tool ended the process with" in result.err
        assert "never retrieved" not in result.err
        assert not gateway.requests(OUTCOME_PATH)

    @pytest.mark.parametrize(
        ("statement", "code"),
        [("os._exit(9)", 9), ("os.kill(os.getpid(), signal.SIGKILL)", -9), ("os.abort()", -6)],
    )
    def test_a_tool_that_dies_takes_the_process_with_it(
        self, runner: Runner, gateway: FakeGateway, statement: str, code: int
    ) -> None:
        runner.module(f"@mcp.tool()\ndef die() -> None:\n    {statement}")
        gateway.assignment = an_assignment("die")
        assert runner.run().code == code
        assert not gateway.requests(OUTCOME_PATH)

    def test_a_result_that_is_too_large_fails_with_its_size(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("@mcp.tool()\ndef big() -> dict[str, str]:\n    return dict(a='x' * 3_000_000)")
        gateway.assignment = an_assignment("big")
        assert runner.run().code == 65
        outcome = gateway.outcome()
        assert (outcome["kind"], outcome["reason"]) == ("failure", "ResultTooLarge")
        assert "MiB, the limit is 1 MiB" in outcome["message"]

    def test_a_result_that_is_no_text_fails_with_the_reason(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("@mcp.tool()\ndef odd() -> str:\n    return chr(0xD800)")
        gateway.assignment = an_assignment("odd")
        assert runner.run().code == 65
        outcome = gateway.outcome()
        assert (outcome["kind"], outcome["reason"]) == ("failure", "ResultNotSerializable")
        assert "cannot be written as JSON" in outcome["message"]

    def test_a_result_that_the_tools_schema_does_not_allow_is_the_tools_error(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("from typing import Any\n@mcp.tool()\ndef odd() -> dict[str, Any]:\n    return dict(a=object())")
        gateway.assignment = an_assignment("odd")
        result = runner.run()
        assert (result.code, gateway.outcome()["isError"]) == (0, True)
        assert "Unable to serialize unknown type" in result.err

    def test_threads_and_children_that_a_tool_leaves_behind_do_not_keep_the_process(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("""
        @mcp.tool()
        def fork() -> dict[str, int]:
            threading.Thread(target=time.sleep, args=(60,)).start()
            child = subprocess.Popen(["sleep", "60"])
            return dict(pid=child.pid)
        """)
        gateway.assignment = an_assignment("fork")
        before = time.monotonic()
        assert runner.run().code == 0
        assert time.monotonic() - before < 20
        assert gateway.outcome()["kind"] == "result"

    def test_executor_threads_of_an_async_tool_do_not_keep_the_process(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("""
        import asyncio
        @mcp.tool()
        async def linger() -> dict[str, int]:
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
            asyncio.create_task(asyncio.sleep(60))
            return dict(n=1)
        """)
        gateway.assignment = an_assignment("linger")
        before = time.monotonic()
        assert runner.run().code == 0
        assert time.monotonic() - before < 20
        assert structured(gateway) == {"n": 1}

    def test_exit_handlers_of_the_tool_run(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("""
        import atexit
        @mcp.tool()
        def register() -> None:
            atexit.register(print, "bye")
        """)
        gateway.assignment = an_assignment("register")
        assert runner.run().out == "bye\n"


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


class TestEnding:
    """SIGTERM, as the kubelet sends it to a Pod that is deleted."""

    @pytest.mark.parametrize(
        ("kind", "sleep"), [("def", "time.sleep(60)"), ("async def", "await __import__('asyncio').sleep(60)")]
    )
    def test_a_tool_cleans_up_and_the_process_exits_with_143_and_without_an_outcome(
        self, runner: Runner, gateway: FakeGateway, kind: str, sleep: str
    ) -> None:
        runner.module(f"""
        @mcp.tool()
        {kind} wait() -> None:
            try:
                progress(1)
                {sleep}
            finally:
                print("cleaned up")
        """)
        result = self.terminated(runner, gateway)
        assert (result.code, result.out) == (143, "cleaned up\n")
        assert "ended by SIGTERM" in result.err
        assert not gateway.requests(OUTCOME_PATH)

    @pytest.mark.parametrize(
        ("kind", "sleep"), [("def", "time.sleep(60)"), ("async def", "await __import__('asyncio').sleep(60)")]
    )
    def test_a_tool_that_swallows_its_end_delivers_nothing(
        self, runner: Runner, gateway: FakeGateway, kind: str, sleep: str
    ) -> None:
        runner.module(f"""
        @mcp.tool()
        {kind} wait() -> dict[str, int]:
            try:
                progress(1)
                {sleep}
            except BaseException:
                pass
            return dict(n=1)
        """)
        assert self.terminated(runner, gateway).code == 143
        assert not gateway.requests(OUTCOME_PATH)

    def test_a_second_signal_does_not_cut_the_clean_up_short(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("""
        @mcp.tool()
        def wait() -> None:
            try:
                progress(1)
                time.sleep(60)
            finally:
                progress(2)
                time.sleep(0.5)
                print("cleaned up")
        """)
        gateway.assignment = an_assignment("wait")
        process = runner.start()
        gateway.wait_for(lambda: bool(gateway.progress()))
        process.send_signal(signal.SIGTERM)
        gateway.wait_for(lambda: gateway.progress()[-1]["current"] == 2)
        process.send_signal(signal.SIGTERM)
        result = ended(process)
        assert (result.code, result.out) == (143, "cleaned up\n")

    def test_a_tools_own_signal_handler_has_its_way(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("""
        @mcp.tool()
        def wait() -> dict[str, bool]:
            asked = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: asked.set())
            progress(1)
            return dict(asked=asked.wait(30))
        """)
        assert self.terminated(runner, gateway).code == 0
        assert structured(gateway) == {"asked": True}

    def test_a_module_that_is_being_imported_is_interrupted(
        self, runner: Runner, gateway: FakeGateway, tmp_path: Path
    ) -> None:
        started = tmp_path / "started"
        runner.module(f"""
        try:
            Path({str(started)!r}).touch()
            time.sleep(60)
        except BaseException as error:
            raise RuntimeError("swallowed") from error
        """)
        process = runner.start()
        eventually("the tool runs", started.exists, every=0.01)
        process.send_signal(signal.SIGTERM)
        assert ended(process).code == 143
        assert not gateway.requests(OUTCOME_PATH)

    def test_a_runner_that_cannot_get_its_assignment_ends_at_once_and_says_why(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        gateway.will(ASSIGNMENT_PATH, *[Answer(503)] * 1000)
        process = runner.start()
        gateway.wait_for(lambda: len(gateway.received) > 1)
        process.send_signal(signal.SIGTERM)
        result = ended(process)
        assert result.code == 75
        assert "ended without an assignment" in result.err, result.err
        assert "503" in result.err, result.err

    def test_an_outcome_that_is_on_its_way_is_still_delivered(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("@mcp.tool()\ndef f() -> dict[str, int]:\n    return dict(n=1)")
        gateway.assignment = an_assignment("f")
        gateway.will(OUTCOME_PATH, Answer(503, seconds=0.3))
        process = runner.start()
        gateway.wait_for(lambda: bool(gateway.requests(OUTCOME_PATH)))
        process.send_signal(signal.SIGTERM)
        assert ended(process).code == 0
        assert len(gateway.requests(OUTCOME_PATH)) == 2

    def test_an_outcome_that_nobody_takes_within_the_grace_period_is_given_up(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        """Killed at the end of it, the process could not say what was wrong."""
        runner.module("@mcp.tool()\ndef f() -> dict[str, int]:\n    return dict(n=1)")
        runner.environment["MCPTASKS_GRACE_SECONDS"] = "1"
        gateway.assignment = an_assignment("f", timeout_seconds=600)
        gateway.will(OUTCOME_PATH, *[refusal(503, RefusalCode.UNAVAILABLE, "no store")] * 10_000)
        process = runner.start()
        gateway.wait_for(lambda: bool(gateway.requests(OUTCOME_PATH)))
        process.send_signal(signal.SIGTERM)
        result = ended(process)
        assert result.code == 75
        assert "gave up on POST" in result.err, result.err
        assert "no store" in result.err, result.err

    def test_an_interrupt_from_the_keyboard_ends_it_with_130(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("@mcp.tool()\ndef wait() -> None:\n    progress(1)\n    time.sleep(60)")
        assert self.terminated(runner, gateway, signal.SIGINT).code == 130

    def terminated(self, runner: Runner, gateway: FakeGateway, number: int = signal.SIGTERM) -> Ended:
        """Send the signal when the tool `wait` has reported progress."""
        gateway.assignment = an_assignment("wait")
        process = runner.start()
        gateway.wait_for(lambda: bool(gateway.progress()))
        process.send_signal(number)
        return ended(process)


class TestTheGateway:
    def test_a_gateway_that_is_away_for_a_while_delays_the_task_only(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("@mcp.tool()\ndef f() -> dict[str, int]:\n    return dict(n=1)")
        gateway.assignment = an_assignment("f")
        away = [Answer(close=True), Answer(502, b"<html>"), refusal(503, RefusalCode.UNAVAILABLE), Answer(403)]
        gateway.will(ASSIGNMENT_PATH, *away)
        gateway.will(OUTCOME_PATH, *away)
        assert runner.run().code == 0
        assert len(gateway.requests(ASSIGNMENT_PATH)) == 5
        delivered = gateway.requests(OUTCOME_PATH)
        assert len(delivered) == 5
        assert all(request.body == delivered[0].body for request in delivered)

    def test_a_token_that_stays_refused_ends_the_runner(self, runner: Runner, gateway: FakeGateway) -> None:
        gateway.will(ASSIGNMENT_PATH, *[refusal(401, RefusalCode.UNAUTHENTICATED, "bad token")] * 1000)
        result = runner.run()
        assert result.code == 75
        assert "bad token" in result.err
        assert len(gateway.received) > 2

    def test_a_token_file_that_is_missing_ends_the_runner(
        self, runner: Runner, gateway: FakeGateway, token_file: Path
    ) -> None:
        token_file.unlink()
        result = runner.run()
        assert result.code == 75
        assert "token" in result.err

    @pytest.mark.parametrize("code", [RefusalCode.SUPERSEDED, RefusalCode.TASK_ENDED, RefusalCode.TASK_GONE])
    def test_a_task_that_is_over_is_not_run(self, runner: Runner, gateway: FakeGateway, code: RefusalCode) -> None:
        gateway.will(ASSIGNMENT_PATH, refusal(410, code, "over"))
        result = runner.run()
        assert result.code == 0
        assert "nothing left to do: over" in result.err

    def test_an_outcome_for_a_task_that_is_over_ends_well(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("@mcp.tool()\ndef f() -> None: ...")
        gateway.assignment = an_assignment("f")
        gateway.will(OUTCOME_PATH, refusal(410, RefusalCode.TASK_ENDED, "cancelled"))
        assert runner.run().code == 0

    def test_an_outcome_that_the_gateway_will_never_take_becomes_a_failure(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("@mcp.tool()\ndef f() -> None: ...")
        gateway.assignment = an_assignment("f")
        gateway.will(OUTCOME_PATH, refusal(422, RefusalCode.INVALID, "the result is not a JSON object"))
        runner.run()
        bodies = [request.body for request in gateway.requests(OUTCOME_PATH)]
        assert [body["kind"] for body in bodies] == ["result", "failure"]
        assert bodies[1]["reason"] == "ResultNotSerializable"
        assert "not a JSON object" in bodies[1]["message"]

    def test_a_url_that_is_none_ends_the_runner_at_once(self, runner: Runner) -> None:
        runner.environment["MCPTASKS_GATEWAY_URL"] = "gateway:8001"
        result = runner.run()
        assert result.code == 75
        assert "MCPTASKS_GATEWAY_URL" in result.err

    def test_a_component_of_another_kind_is_run_too(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("@mcp.prompt()\ndef hello(name: str) -> str:\n    return f'Hello {name}'")
        gateway.assignment = an_assignment(
            "hello", '{"name": "you"}', component=Component.model_validate({"kind": "prompt", "name": "hello"})
        )
        assert runner.run().code == 0
        assert "Hello you" in gateway.outcome()["text"]


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
