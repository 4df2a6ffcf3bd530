"""The worker's first process reaps what ends."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from mcptasks.worker.child_watch import ChildWatch

pytestmark = pytest.mark.anyio


def ends_with(code: int) -> int:
    """Process id of a child that ends with the exit code."""
    return os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {code}"], {})


def is_child(pid: int) -> bool:
    """Whether it is one that lives, or is still to be reaped."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


async def test_a_child_that_has_ended_is_told_once_it_is_reaped() -> None:
    with ChildWatch.watching() as children:
        pid = ends_with(3)
        status = await asyncio.wait_for(children.ended(pid), 30)
    assert os.waitstatus_to_exitcode(status) == 3
    assert not is_child(pid)


async def test_nothing_is_kept_of_a_child_that_has_ended() -> None:
    """A worker has many in a week, and a later one may have the same pid: it would not be told, nor spared."""
    with ChildWatch.watching() as children:
        pid = ends_with(0)
        first = children.ended(pid)
        await asyncio.wait_for(first, 30)
        assert children.known == set()
        assert children.ended(pid) is not first


async def test_a_child_that_ends_after_the_watch_tells_no_loop() -> None:
    """The loop may be closed by then, and Python would say in the worker's log that it could not tell it."""
    before = signal.getsignal(signal.SIGCHLD)
    with ChildWatch.watching():
        assert signal.getsignal(signal.SIGCHLD) != before
    assert signal.getsignal(signal.SIGCHLD) == before
