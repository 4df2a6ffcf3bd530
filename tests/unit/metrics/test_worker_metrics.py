"""Workers, as a server sees them."""

from __future__ import annotations

from mcptasks.metrics.instruments import Instruments
from mcptasks.metrics.worker_metrics import WorkerMetrics


def test_a_task_has_found_a_worker_or_waited_for_one() -> None:
    instruments = Instruments()
    metrics = WorkerMetrics(instruments)
    for waited in (0.0, 0.06, 2.5):
        metrics.handed_out("quick", waited)
    value = instruments.registry.get_sample_value
    assert value("mcptasks_worker_tasks_total", {"template": "quick", "worker": "ready"}) == 2
    assert value("mcptasks_worker_tasks_total", {"template": "quick", "worker": "awaited"}) == 1
    assert value("mcptasks_worker_wait_seconds_sum", {"template": "quick"}) == 2.56


def test_loading_and_forking_have_a_histogram_each() -> None:
    instruments = Instruments()
    metrics = WorkerMetrics(instruments)
    metrics.loaded("quick", 1.5)
    metrics.process_made("quick", 0.006)
    value = instruments.registry.get_sample_value
    assert value("mcptasks_worker_load_seconds_sum", {"template": "quick"}) == 1.5
    assert value("mcptasks_worker_process_seconds_sum", {"template": "quick"}) == 0.006
