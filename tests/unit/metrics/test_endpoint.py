"""`/metrics` over HTTP."""

from __future__ import annotations

import httpx2
import pytest

from mcptasks.metrics.endpoint import MetricsPortError, metrics_served
from mcptasks.metrics.server_metrics import ServerMetrics, ServerState
from mcptasks_operator.metrics import OperatorMetrics

pytestmark = pytest.mark.anyio


class StillCache:
    unreachable_seconds = 12.0

    def __len__(self) -> int:
        return 3


@pytest.fixture
def server() -> ServerMetrics:
    return ServerMetrics(ServerState(StillCache(), draining=lambda: True, tokens_are_unusable=lambda: True))


async def scrape(metrics: ServerMetrics | OperatorMetrics, accept: str = "") -> httpx2.Response:
    async with (
        metrics_served(metrics.instruments.registry, "127.0.0.1", 0) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        assert (await http.get("/")).status_code == 404
        return await http.get("/metrics", headers={"Accept": accept})


async def test_the_state_is_read_when_somebody_asks(server: ServerMetrics) -> None:
    text = (await scrape(server)).text
    assert "\nmcptasks_cached_tasks 3.0\n" in text
    assert "\nmcptasks_cache_unreachable_seconds 12.0\n" in text
    assert "\nmcptasks_draining 1.0\n" in text
    assert "\nmcptasks_auth_tokens_unusable 1.0\n" in text


async def test_process_and_version_are_told(server: ServerMetrics) -> None:
    text = (await scrape(server)).text
    assert "\nprocess_resident_memory_bytes " in text
    assert 'mcptasks_build_info{component="server",version="' in text
    assert "\npython_gc_collections_total{" in text


async def test_prometheus_gets_the_format_that_it_asks_for(server: ServerMetrics) -> None:
    answer = await scrape(server, "application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_two_processes_worth_of_metrics_share_nothing() -> None:
    one, other = OperatorMetrics(), OperatorMetrics()
    one.reconciled("ok", 0.1)
    value = other.instruments.registry.get_sample_value("mcptasks_operator_reconciles_total", {"outcome": "ok"})
    assert value is None


async def test_nothing_is_served_unless_asked_for() -> None:
    async with metrics_served(OperatorMetrics().instruments.registry, "127.0.0.1", None) as port:
        assert port is None


async def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    registry = OperatorMetrics().instruments.registry
    async with metrics_served(registry, "127.0.0.1", 0) as port:
        with pytest.raises(MetricsPortError, match="MCPTASKS_METRICS_PORT"):
            async with metrics_served(registry, "127.0.0.1", port):
                pass
