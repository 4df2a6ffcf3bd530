"""How many tasks a worker runs in all."""

from __future__ import annotations

from tests.integration.worker.harness import Worker
from tests.support.work_gateway import WorkGateway

MODULE = """
@mcp.tool()
def add(a: int) -> dict[str, int]:
    return dict(sum=a + 1)
"""


def test_a_worker_for_one_task_gives_another_one_back(worker: Worker, gateway: WorkGateway) -> None:
    worker.module(MODULE)
    worker.environment["MCPTASKS_WORKER_TASKS"] = "1"
    worker.ready()
    gateway.run("add", '{"a": 1}')
    gateway.run("add", '{"a": 2}', "uid-2")
    assert gateway.result() == {"sum": 2}
    given_back = gateway.outcome("uid-2")
    assert given_back["kind"] == "unstarted"
    assert "all tasks that it may run" in given_back["message"]
    assert worker.ended().code == 0


def test_others_have_no_limit(worker: Worker, gateway: WorkGateway) -> None:
    worker.module(MODULE)
    worker.ready()
    for number in range(3):
        gateway.run("add", '{"a": 1}', f"uid-{number}")
        assert gateway.result(f"uid-{number}") == {"sum": 2}
