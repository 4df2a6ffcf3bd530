"""What happens thousands of times is in the log once in a while, with the number of times."""

from __future__ import annotations

import asyncio
import errno
import logging

import pytest

from mcptasks.network.accept_errors import OUT_OF_RESOURCE, report_accept_errors_sparsely
from mcptasks.network.sparse_log import SparseLog
from tests.support.clocks import SettableClock

pytestmark = pytest.mark.anyio

logger = logging.getLogger("mcptasks.tests.sparse")


def test_a_flood_is_a_line_and_later_another_one_that_counts_it(caplog: pytest.LogCaptureFixture) -> None:
    clock = SettableClock()
    sparse = SparseLog(logger, seconds=10, clock=clock)
    for _ in range(1000):
        sparse.say("no room for %s", "you")
    clock.now = 10
    sparse.say("no room for %s", "them")
    clock.now = 20
    sparse.say("no room for %s", "us")
    assert [record.getMessage() for record in caplog.records] == [
        "no room for you",
        "no room for them (and 999 times more since the last line)",
        "no room for us",
    ]


async def test_connections_that_cannot_be_accepted_are_a_line_and_other_errors_all_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    report_accept_errors_sparsely(loop)
    try:
        full = OSError(errno.EMFILE, "Too many open files")
        for _ in range(1000):
            loop.call_exception_handler({"message": OUT_OF_RESOURCE, "exception": full})
        loop.call_exception_handler({"message": "something else"})
    finally:
        loop.set_exception_handler(before)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "Too many open files; raise the process's limit" in said[0]
    assert said[1] == "something else"
