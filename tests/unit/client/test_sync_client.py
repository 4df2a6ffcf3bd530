"""The client without an event loop."""

from __future__ import annotations

import threading

import pytest

from mcptasks.client import (
    ClientError,
    SyncClient,
)
from mcptasks.model.task import Phase
from mcptasks.protocol.versions import IDEMPOTENCY_META as KEY
from tests.unit.client.fake_server import FakeServer

SECONDS = 20


def test_the_synchronous_client_needs_no_event_loop(server: FakeServer) -> None:
    server.statuses = ["working", "working", "completed"]
    seen: list[Phase] = []
    with SyncClient(server.url) as client:
        task = client.call_tool("work", {"top": 1}, task=True)
        task.on_status_change(lambda state: seen.append(state.status))
        assert task.wait(timeout=SECONDS).status is Phase.COMPLETED
        assert task.result().text == "done"
        assert client.resume(task.task_id).result().text == "done"
        assert client.call_tool("quick", idempotency_key="key").text == "done"
        assert client.list_tools()
    assert seen == [Phase.COMPLETED]
    assert server.last("tools/call").meta[KEY] == "key"


def test_a_closed_synchronous_client_says_how_it_is_used() -> None:
    with pytest.raises(ClientError, match="with SyncClient"):
        SyncClient("http://127.0.0.1:1/mcp").list_tools()


def test_the_synchronous_client_leaves_no_thread_behind(server: FakeServer) -> None:
    before = threading.active_count()
    with SyncClient(server.url) as client:
        client.list_tools()
    assert threading.active_count() == before
