"""The runner as a process: what it reports while its tool runs."""

from __future__ import annotations

import signal
import time

import pytest

from mcptasks.gateway.contract import OUTCOME_PATH, PROGRESS_PATH, RefusalCode
from tests.support.fake_gateway import FakeGateway, GatewayAnswer, an_assignment, refusal
from tests.unit.runner.conftest import Runner, ended, structured


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

    def test_what_is_not_progress_does_not_fail_the_tool(self, runner: Runner, gateway: FakeGateway) -> None:
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
        gateway.will(PROGRESS_PATH, GatewayAnswer(500), GatewayAnswer(close=True), refusal(422, RefusalCode.INVALID))
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
