"""Tasks whose specs hold what the API server takes and no MCP call has."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Reason
from tests.integration.gateway.harness import GatewayWorld, code, result
from tests.support.odd_objects import nested

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "spec",
    [
        {"request": {"meta": [1], "clientInfo": "x", "clientCapabilities": 7, "inputResponses": [None]}},
        {"principal": {"subject": "s", "claims": [1]}},
    ],
    ids=["request", "claims"],
)
async def test_what_is_no_object_about_the_caller_reads_as_absent(world: GatewayWorld, spec: JsonObject) -> None:
    task = await world.submit(arguments={"a": 1}, **spec)
    runner = await world.claimed(task)
    assert (await runner.deliver(result())).status_code == 204
    assert (await world.task(task)).terminal


async def test_a_task_that_nests_too_deep_ends_before_its_tool_runs(world: GatewayWorld) -> None:
    task = await world.submit(arguments={"a": nested(150)})
    assert code(await (await world.runner(task)).fetch()) == (410, "TaskEnded")
    status = (await world.task(task)).status
    assert status.reason == Reason.INVALID_ARGUMENTS
    assert "nests deeper than 128 levels" in (status.message or "")
