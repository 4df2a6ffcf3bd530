"""The health endpoint: alive as long as work gets on."""

from __future__ import annotations

import socket

import httpx2
import pytest

from mcptasks_operator.acting.workers import RECONCILE_SECONDS
from mcptasks_operator.process.health import Health, PortInUseError, Stage, serve_health
from tests.support.clocks import SettableClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def health(clock: SettableClock) -> Health:
    return Health(patience=100, clock=clock)


def test_a_process_that_starts_is_alive_however_long_it_waits_and_not_ready(
    health: Health, clock: SettableClock
) -> None:
    clock.now = 10_000
    assert health.alive
    assert not health.ready


@pytest.mark.parametrize("stage", [Stage.STANDBY, Stage.LEADING])
def test_it_is_alive_and_ready_as_long_as_something_succeeds(
    health: Health, clock: SettableClock, stage: Stage
) -> None:
    health.enter(stage)
    clock.now = 99
    assert health.alive
    assert health.ready
    clock.now = 101
    assert not health.alive
    health.beat()
    assert health.alive


def test_renewing_the_lease_does_not_keep_a_leader_alive_that_does_no_work(
    health: Health, clock: SettableClock
) -> None:
    tried = health.beat_in(Stage.STANDBY)
    health.enter(Stage.STANDBY)
    clock.now = 90
    tried()
    clock.now = 150
    assert health.alive
    health.enter(Stage.LEADING)
    clock.now = 251
    tried()
    assert not health.alive


async def test_the_endpoint_tells_the_stage(health: Health, clock: SettableClock) -> None:
    async with (
        serve_health(health, "127.0.0.1", 0) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).status_code == 503
        health.enter(Stage.LEADING)
        assert (await http.get("/readyz")).text == "leading\n"
        clock.now = 101
        answer = await http.get("/healthz")
        assert (answer.status_code, answer.text) == (500, "leading, last success 101 s ago\n")
        assert (await http.get("/nothing")).status_code == 404


async def test_a_port_in_use_is_told_with_the_way_out(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"cannot listen on 127.0.0.1:{port}: .*MCPTASKS_LIVENESS_PORT"):
            async with serve_health(health, "127.0.0.1", port):
                pass


def test_resyncs_do_not_keep_a_leader_alive_whose_work_does_not_get_done(health: Health) -> None:
    health.enter(Stage.LEADING)
    health.stalled = lambda: health.stall_patience + 1
    assert not health.alive
    assert not health.ready
    health.stalled = lambda: health.stall_patience - 1
    assert health.alive
    assert health.ready


def test_a_worker_may_take_longer_over_a_task_than_it_ever_does(health: Health) -> None:
    assert health.stall_patience > RECONCILE_SECONDS
