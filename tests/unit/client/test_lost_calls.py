"""What is said when the server is gone: at once that the client tries again, and at the end what became of the call."""

from __future__ import annotations

import asyncio
import logging

import pytest

from mcptasks.cli.call_run import NoteHandler
from mcptasks.cli.progress_view import PlainView
from mcptasks.client import Client, ConnectionFailedError, TaskState
from mcptasks.client.client_errors import NotSentError
from mcptasks.client.protocol.dialect import OnState
from mcptasks.client.protocol.retry import retry
from mcptasks.client.task_handles import ToolTask
from mcptasks.client.task_observer import Observer
from tests.unit.client.fake_server import FakeServer, HttpFault

pytestmark = pytest.mark.anyio


async def gone(_known: TaskState | None, _on_state: OnState) -> TaskState:
    raise NotSentError("cannot reach http://x: refused")


@pytest.mark.parametrize("verb", ["result", "wait"])
async def test_a_lost_wait_has_the_id_of_the_task_that_goes_on(server: FakeServer, verb: str) -> None:
    async with Client(server.url) as client:
        task = ToolTask(client, "job-1", Observer(gone))
        with pytest.raises(ConnectionFailedError, match="the call was sent and is task job-1") as caught:
            await getattr(task, verb)()
    assert (caught.value.task_id, caught.value.may_have_arrived) == ("job-1", True)
    assert not isinstance(caught.value, NotSentError)


@pytest.mark.parametrize(
    ("key", "message"),
    [(None, "the call may have been sent, and its tool may run"), ("k", "with the same idempotency key leads to")],
)
async def test_a_call_without_an_answer_may_have_arrived(server: FakeServer, key: str | None, message: str) -> None:
    server.faults["tools/call"] = [HttpFault(0)]
    async with Client(server.url) as client:
        with pytest.raises(ConnectionFailedError, match=message) as caught:
            await client.call_tool("work", idempotency_key=key)
    assert (caught.value.may_have_arrived, caught.value.task_id) == (True, None)


async def test_the_first_failure_is_told_at_once_and_once(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = [NotSentError("cannot reach http://x"), NotSentError("cannot reach http://x")]
    told: list[int] = []

    async def operation() -> str:
        told.append(len(caplog.records))
        if failures:
            raise failures.pop()
        return "there"

    handler = NoteHandler(PlainView())
    logging.getLogger("mcptasks.client").addHandler(handler)
    try:
        async with asyncio.timeout(10):
            assert await retry(operation) == "there"
    finally:
        logging.getLogger("mcptasks.client").removeHandler(handler)
    assert told == [0, 1, 1]
    assert capsys.readouterr().err == "cannot reach http://x; trying again for up to 60 s\n"
