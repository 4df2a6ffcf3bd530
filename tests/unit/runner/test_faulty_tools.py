"""The runner as a process, with tools that fail, print, fork or do not return."""

from __future__ import annotations

import json
import time

import pytest

from mcptasks.gateway.contract import OUTCOME_PATH
from tests.support.fake_gateway import FakeGateway, an_assignment
from tests.unit.runner.conftest import Runner, structured


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
        gateway.assignment = an_assignment("fail", show_exceptions=False)
        result = runner.run()
        outcome = gateway.outcome()
        assert (result.code, outcome["kind"], outcome["isError"]) == (0, "result", True)
        assert outcome["message"]
        detail = outcome.pop("detail")
        assert "secret_local_name" not in json.dumps(outcome)
        assert "bad luck" not in json.dumps(outcome)
        assert detail.splitlines()[0] == "ValueError: bad luck"
        assert detail.splitlines()[-1].endswith(" in secret_local_name")
        logged = [line.strip() for line in result.err.splitlines()]
        assert logged[logged.index("ValueError: bad luck") - 2].endswith(", in secret_local_name")
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
        assert result.err.count(", in leave") == 1
        assert "site-packages" not in result.err
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

    def test_a_result_that_is_not_text_fails_with_the_reason(self, runner: Runner, gateway: FakeGateway) -> None:
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
        assert "the result cannot be written as JSON: it has a value of type object" in gateway.outcome()["text"]
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
