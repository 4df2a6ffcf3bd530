"""The runner as a process: signals, deadlines and exit codes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from mcptasks.gateway.contract import ASSIGNMENT_PATH, OUTCOME_PATH, RefusalCode
from tests.support.fake_gateway import FakeGateway, GatewayAnswer, an_assignment, refusal
from tests.support.polling import eventually
from tests.unit.runner.conftest import Ended, Runner, ended, structured


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
        gateway.will(ASSIGNMENT_PATH, *[GatewayAnswer(503)] * 1000)
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
        gateway.will(OUTCOME_PATH, GatewayAnswer(503, seconds=0.3))
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
