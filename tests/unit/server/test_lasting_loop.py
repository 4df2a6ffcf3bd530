"""What ends the server's loop, and what does not."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from mcptasks.server.lasting_loop import run_lasting


async def leave() -> None:
    sys.exit(3)


def test_a_task_that_a_tool_has_started_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> str:
        for _ in range(2):
            started = asyncio.create_task(leave())
            await asyncio.wait([started])
            assert isinstance(started.exception(), SystemExit)
        return "done"

    assert run_lasting(work()) == "done"
    assert [record.message for record in caplog.records] == [
        "a task on the server's loop wanted to end the process, which goes on"
    ] * 2


async def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("handled", [True, False])
def test_a_task_is_told_from_ctrl_c_where_that_has_a_handler(handled: bool) -> None:
    async def work() -> str:
        if handled:
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
        started = asyncio.create_task(interrupt())
        await asyncio.wait([started])
        assert isinstance(started.exception(), KeyboardInterrupt)
        return "done"

    if handled:
        assert run_lasting(work()) == "done"
    else:
        with pytest.raises(KeyboardInterrupt):
            run_lasting(work())


def test_the_work_itself_may_end_the_process() -> None:
    with pytest.raises(SystemExit):
        run_lasting(leave())


def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        run_lasting(work())
