"""What a component knows of its caller: identity, and what the server's settings name; inline as in a Pod."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks import Caller
from mcptasks.client import Client, McpError
from mcptasks.dev.stack import LocalStack, StackConfig
from tests.integration.server.caller_tools import ISSUER
from tests.support.kubectl import Kubectl

pytestmark = pytest.mark.anyio

TOKEN = "a-token-that-nobody-may-see"
HEADERS = {"X-Tenant": "north", "X-Other": "not named"}
SECONDS = 120


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    settings = {"MCPTASKS_FORWARD_HEADERS": "X-Tenant", "MCPTASKS_FORWARD_CLAIMS": "team"}
    with LocalStack(StackConfig(str(Path(__file__).with_name("caller_tools.py")), settings=settings)) as running:
        yield running


async def test_a_task_knows_of_its_caller_what_an_inline_call_knows_and_keeps_no_more(stack: LocalStack) -> None:
    async with Client(stack.endpoint, token=TOKEN, headers=HEADERS, tasks=False) as client:
        inline = await client.call_tool("who")
    async with Client(stack.endpoint, token=TOKEN, headers=HEADERS) as client:
        task = await client.call_tool("who", task=True)
        assert not task.returned_immediately
        assert (await task.result(timeout=SECONDS)).data == inline.data
    ann = Caller(client_id="app", issuer=ISSUER, subject="ann", scopes=("read",), claims={"team": "blue"})
    assert inline.data == {"caller": repr(ann), "team": "blue", "headers": {"x-tenant": "north"}}

    kubectl = Kubectl(stack.kubeconfig, stack.namespace)
    kept = json.dumps([kubectl.get("mcptask", task.task_id), kubectl.list("jobs"), kubectl.list("pods")])
    assert "north" in kept
    for secret in (TOKEN, "ann@example.org", "not named"):
        assert secret not in kept


@pytest.mark.parametrize("tasks", [False, True])
async def test_a_claim_that_the_server_does_not_pass_on_is_missing_with_a_reason(
    stack: LocalStack, tasks: bool
) -> None:
    async with Client(stack.endpoint, token=TOKEN, tasks=tasks) as client:
        with pytest.raises(
            McpError, match=r"the claim 'email', and a server that passes it on \(MCPTASKS_FORWARD_CLAIMS"
        ):
            await client.call_tool("mail")
