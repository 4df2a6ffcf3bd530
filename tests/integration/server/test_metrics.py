"""What server and operator tell Prometheus of a task's whole life."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mcptasks.dev.stack import LocalStack, StackConfig
from tests.support.mcp import NEW, OLD, RawClient
from tests.support.polling import eventually

TOOLS = """
from mcptasks import TaskServer

mcp = TaskServer("measured", tasks=True)


@mcp.tool()
def double(number: int) -> int:
    return 2 * number


@mcp.tool()
def sleep() -> None:
    import time

    time.sleep(600)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    module = tmp_path_factory.mktemp("measured") / "tools.py"
    module.write_text(TOOLS)
    with LocalStack(StackConfig(str(module), settings={"MCPTASKS_METRICS_PORT": "0"})) as running:
        yield running


def sample(stack: LocalStack, component: str, name: str, **labels: str) -> float:
    """The value of a metric of a component; 0 where it has none."""
    log = stack.log(component)
    urls = re.findall(r"serving metrics on (\S+)", log)
    assert urls, f"{component} does not tell where its metrics are:\n{log}"
    families = text_string_to_metric_families(httpx2.get(urls[-1], trust_env=False, timeout=20).text)
    found = [one for family in families for one in family.samples if one.name == name]
    return sum(one.value for one in found if labels.items() <= one.labels.items())


def test_a_tasks_life_is_counted_by_the_process_that_writes_it(stack: LocalStack) -> None:
    client = RawClient(stack.endpoint)
    client.result(client.create("double", {"number": 4}))
    client.new("tools/list")
    completed = {"tool": "double", "phase": "completed", "reason": "Completed"}
    assert sample(stack, "server", "mcptasks_tasks_created_total", tool="double") == 1
    assert sample(stack, "server", "mcptasks_tasks_ended_total", **completed) == 1
    assert sample(stack, "server", "mcptasks_task_start_seconds_count", template="default") == 1
    assert sample(stack, "server", "mcptasks_result_bytes_count", store="inline") == 1
    assert sample(stack, "server", "mcptasks_requests_total", method="tools/call", era=OLD, outcome="ok") == 1
    assert sample(stack, "server", "mcptasks_requests_total", method="tools/list", era=NEW, outcome="ok") == 1
    assert sample(stack, "server", "mcptasks_gateway_requests_total", call="assignment", code="200") == 1
    assert sample(stack, "server", "mcptasks_gateway_requests_total", call="outcome", code="204") == 1
    assert sample(stack, "server", "mcptasks_cached_tasks") == 1
    assert sample(stack, "operator", "mcptasks_job_creation_delay_seconds_count", template="default") == 1
    assert sample(stack, "operator", "mcptasks_operator_leader") == 1
    eventually(
        "the operator sees the end", lambda: sample(stack, "operator", "mcptasks_tasks", phase="completed") or None
    )
    assert sample(stack, "operator", "mcptasks_tasks_ended_total", tool="double") == 0


def test_a_cancelled_task_tells_when_its_pods_are_gone(stack: LocalStack) -> None:
    client = RawClient(stack.endpoint)
    task_id = client.create("sleep")
    eventually(
        "the task runs",
        lambda: sample(stack, "server", "mcptasks_task_attempts_total", tool="sleep", executor="Job") or None,
    )
    client.cancel(task_id)
    gone = "mcptasks_cancel_to_pods_gone_seconds_count"
    eventually("the Pod is gone", lambda: sample(stack, "operator", gone) or None)
    assert sample(stack, "server", "mcptasks_tasks_ended_total", tool="sleep", phase="cancelled") == 1
