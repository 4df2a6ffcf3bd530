"""The runner's HTTP client: what it repeats, what it gives up, and what it believes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mcptasks.gateway.contract import ASSIGNMENT_PATH, OUTCOME_PATH, PROGRESS_PATH, ProgressReport, RefusalCode
from mcptasks.runner.gateway_client import (
    GatewayClient,
    GatewayUnreachableError,
    RejectedError,
    RetryPace,
    TaskOverError,
)
from tests.support.fake_gateway import FakeGateway, GatewayAnswer, an_assignment, refusal
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio

QUICK = RetryPace(first=0.01, longest=0.02)
IMPATIENT = RetryPace(first=0.01, longest=0.02, unauthorized=0.2)
"""Gives a refused token up soon: only for tests that are about that, on a busy machine a request takes as long."""


def soon(seconds: float = 10) -> float:
    return time.monotonic() + seconds


def replace(token_file: Path, content: str) -> None:
    token_file.write_text(content)


@pytest.fixture
async def client(gateway: FakeGateway, token_file: Path) -> AsyncIterator[GatewayClient]:
    client = GatewayClient.over_http(gateway.url, token_file, QUICK)
    yield client
    await client.aclose()


@pytest.fixture
async def impatient(gateway: FakeGateway, token_file: Path) -> AsyncIterator[GatewayClient]:
    client = GatewayClient.over_http(gateway.url, token_file, IMPATIENT)
    yield client
    await client.aclose()


async def test_the_assignment_arrives_as_it_was_sent(client: GatewayClient, gateway: FakeGateway) -> None:
    gateway.assignment = an_assignment("report", '{"big": 123456789012345678901234567890, "one": 1.0}')
    assert await client.assignment(soon()) == gateway.assignment


@pytest.mark.parametrize(
    "answer",
    [
        GatewayAnswer(500, b"oops"),
        GatewayAnswer(502, b"<html>"),
        GatewayAnswer(410, b"<html>gone says a proxy</html>"),
        GatewayAnswer(301),
        GatewayAnswer(close=True),
        refusal(503, RefusalCode.UNAVAILABLE),
        refusal(401, RefusalCode.UNAUTHENTICATED),
        refusal(403, RefusalCode.NOT_A_TASK_POD),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body[:12].decode()}-{answer.close}",
)
async def test_a_request_is_repeated_until_it_is_answered(
    client: GatewayClient, gateway: FakeGateway, answer: GatewayAnswer
) -> None:
    gateway.will(OUTCOME_PATH, answer, answer)
    await client.deliver(b'{"kind": "result"}', soon())
    assert [request.body for request in gateway.requests(OUTCOME_PATH)] == [{"kind": "result"}] * 3


async def test_a_token_that_the_kubelet_has_replaced_is_read_anew(
    client: GatewayClient, gateway: FakeGateway, token_file: Path
) -> None:
    await client.assignment(soon())
    replace(token_file, "token-2")
    await client.assignment(soon())
    assert [request.token for request in gateway.received] == ["token-1", "token-2"]


@pytest.mark.parametrize("content", ["", "two words\nand lines", "tök"])
async def test_a_file_without_a_token_is_never_sent(
    impatient: GatewayClient, gateway: FakeGateway, token_file: Path, content: str
) -> None:
    replace(token_file, content)
    with pytest.raises(GatewayUnreachableError, match="no token in"):
        await impatient.assignment(soon())
    assert gateway.received == []


@pytest.mark.parametrize("code", [RefusalCode.SUPERSEDED, RefusalCode.TASK_ENDED, RefusalCode.TASK_GONE])
async def test_a_task_that_is_over_is_not_asked_for_again(
    client: GatewayClient, gateway: FakeGateway, code: RefusalCode
) -> None:
    gateway.will(ASSIGNMENT_PATH, refusal(410, code, "over and out"))
    with pytest.raises(TaskOverError, match="over and out"):
        await client.assignment(soon())
    assert len(gateway.received) == 1


async def test_a_request_that_is_invalid_is_not_repeated(client: GatewayClient, gateway: FakeGateway) -> None:
    gateway.will(OUTCOME_PATH, refusal(413, RefusalCode.INVALID, "too large"))
    with pytest.raises(RejectedError, match="too large"):
        await client.deliver(b"{}", soon())


async def test_an_assignment_of_another_version_is_not_run(client: GatewayClient, gateway: FakeGateway) -> None:
    gateway.will(ASSIGNMENT_PATH, GatewayAnswer(200, b'{"taskId": 1}'))
    with pytest.raises(RejectedError, match="same version"):
        await client.assignment(soon())


async def test_a_token_that_stays_refused_is_given_up_before_the_deadline(
    impatient: GatewayClient, gateway: FakeGateway
) -> None:
    gateway.will(ASSIGNMENT_PATH, *[refusal(401, RefusalCode.UNAUTHENTICATED, "no such token")] * 1000)
    before = time.monotonic()
    with pytest.raises(GatewayUnreachableError, match="no such token"):
        await impatient.assignment(soon(600))
    assert 0.2 <= time.monotonic() - before < 5


async def test_refusals_of_the_token_count_only_while_nothing_else_happens(
    impatient: GatewayClient, gateway: FakeGateway
) -> None:
    refused = refusal(401, RefusalCode.UNAUTHENTICATED)
    gateway.will(
        ASSIGNMENT_PATH,
        *[refused, GatewayAnswer(503, seconds=0.15), refused, GatewayAnswer(503, seconds=0.15), refused],
    )
    await impatient.assignment(soon())
    assert len(gateway.received) == 6


async def test_nobody_there_is_given_up_at_the_deadline_with_the_address(token_file: Path) -> None:
    port = free_port()
    client = GatewayClient.over_http(f"http://127.0.0.1:{port}", token_file, QUICK)
    before = time.monotonic()
    with pytest.raises(GatewayUnreachableError, match=f"127.0.0.1:{port}"):
        await client.deliver(b"{}", soon(0.3))
    assert 0.3 <= time.monotonic() - before < 5
    await client.aclose()


@pytest.mark.parametrize("url", ["gateway:8001", "ftp://gateway", ""])
async def test_a_url_that_is_not_one_is_told_at_once(token_file: Path, url: str) -> None:
    client = GatewayClient.over_http(url, token_file, QUICK)
    with pytest.raises(RejectedError, match="MCPTASKS_GATEWAY_URL"):
        await client.assignment(soon())
    await client.aclose()


async def test_proxies_of_the_environment_are_for_others(
    gateway: FakeGateway, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    client = GatewayClient.over_http(gateway.url, token_file, QUICK)
    await client.assignment(soon(0))
    await client.aclose()


@pytest.mark.parametrize("answer", [GatewayAnswer(500), GatewayAnswer(close=True), refusal(422, RefusalCode.INVALID)])
async def test_progress_is_told_once_and_its_failure_is_nobodys(
    client: GatewayClient, gateway: FakeGateway, answer: GatewayAnswer
) -> None:
    gateway.will(PROGRESS_PATH, answer)
    assert await client.report(ProgressReport(current=1)) is False
    assert await client.report(ProgressReport(current=2)) is True
    assert [report["current"] for report in gateway.progress()] == [1, 2]


async def test_progress_of_a_task_that_is_over_says_so(client: GatewayClient, gateway: FakeGateway) -> None:
    gateway.will(PROGRESS_PATH, refusal(409, RefusalCode.SUPERSEDED))
    with pytest.raises(TaskOverError):
        await client.report(ProgressReport(current=1))


async def test_delays_double_up_to_the_longest_and_are_spread() -> None:
    pace = RetryPace(first=0.2, longest=5)
    for attempt, most in enumerate([0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]):
        delays = {pace.delay(attempt) for _ in range(50)}
        assert len(delays) > 1
        assert all(most / 2 <= delay <= most for delay in delays)
    assert pace.delay(100_000) <= 5
