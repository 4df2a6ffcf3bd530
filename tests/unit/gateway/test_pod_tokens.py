"""What is remembered of token reviews, and for how long."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.pod_tokens import TokenReviewer
from mcptasks.gateway.refusals import RefusedError
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import Resource
from mcptasks.model.base import JsonObject
from tests.support.clocks import SettableClock

pytestmark = pytest.mark.anyio

NOW = 1_000_000.0


class CountedReviews(KubeClient):
    """An API server that reviews tokens: a token is valid if it contains `good`."""

    def __init__(self) -> None:
        super().__init__(Configuration())
        self.asked: list[JsonObject] = []

    async def create(self, resource: Resource, body: JsonObject, namespace: str | None = None) -> JsonObject:
        self.asked.append(body["spec"])
        if "good" not in body["spec"]["token"]:
            return {"status": {"authenticated": False, "error": "no"}}
        pod = {"authentication.kubernetes.io/pod-name": ["pod"], "authentication.kubernetes.io/pod-uid": ["uid"]}
        user = {"username": "system:serviceaccount:ns:default", "extra": pod}
        return {"status": {"authenticated": True, "audiences": ["gateway"], "user": user}}


def jwt(payload: Any) -> str:
    text = json.dumps(payload).encode()
    return "good." + base64.urlsafe_b64encode(text).decode().rstrip("=") + ".signature"


@pytest.mark.parametrize(
    ("token", "seconds"),
    [
        (jwt({"exp": NOW + 3600}), 60),
        (jwt({"exp": NOW + 20}), 20),
        (jwt({"exp": "soon"}), 60),
        (jwt([]), 60),
        ("good.###.x", 60),
        ("good", 60),
    ],
)
async def test_a_yes_is_remembered_for_a_minute_and_never_beyond_the_tokens_end(token: str, seconds: float) -> None:
    kube, clock = CountedReviews(), SettableClock(NOW)
    reviewer = TokenReviewer(kube, "gateway", clock)
    assert (await reviewer.identify(token)).uid == "uid"
    clock.now += seconds - 0.1
    await reviewer.identify(token)
    assert kube.asked == [{"token": token, "audiences": ["gateway"]}]
    clock.now += 0.1
    await reviewer.identify(token)
    assert len(kube.asked) == 2


async def test_a_no_is_remembered_for_a_moment() -> None:
    kube, clock = CountedReviews(), SettableClock(NOW)
    reviewer = TokenReviewer(kube, "gateway", clock)
    for seconds, asked in ((0, 1), (4.9, 1), (0.2, 2)):
        clock.now += seconds
        with pytest.raises(RefusedError) as refused:
            await reviewer.identify("bad")
        assert refused.value.code is RefusalCode.UNAUTHENTICATED
        assert len(kube.asked) == asked


async def test_bad_tokens_of_one_address_are_reviewed_only_so_often_and_others_go_on() -> None:
    kube, clock = CountedReviews(), SettableClock(NOW)
    reviewer = TokenReviewer(kube, "gateway", clock)
    await reviewer.identify("good-1", "10.0.0.1")
    codes = []
    for number in range(1000):
        with pytest.raises(RefusedError) as refused:
            await reviewer.identify(f"bad-{number}", "10.0.0.1")
        codes.append(refused.value.code)
    assert len(kube.asked) == 11
    assert codes[10:] == [RefusalCode.UNAVAILABLE] * 990
    await reviewer.identify("good-1", "10.0.0.1")
    await reviewer.identify("good-2", "10.0.0.2")
    clock.now += 1
    await reviewer.identify("good-3", "10.0.0.1")


async def test_bad_tokens_of_all_addresses_together_are_bounded() -> None:
    kube = CountedReviews()
    reviewer = TokenReviewer(kube, "gateway", SettableClock(NOW))
    for number in range(1000):
        with pytest.raises(RefusedError):
            await reviewer.identify(f"bad-{number}", f"10.0.0.{number}")
    assert len(kube.asked) == 100


class SlowReviews(CountedReviews):
    """An API server that reviews nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()

    async def create(self, resource: Resource, body: JsonObject, namespace: str | None = None) -> JsonObject:
        answer = await super().create(resource, body, namespace)
        await self.goes_on.wait()
        return answer


@pytest.mark.parametrize(("addresses", "reviews"), [(1, 10), (1000, 100)])
async def test_bad_tokens_that_come_at_the_same_time_are_no_more(addresses: int, reviews: int) -> None:
    kube, clock = SlowReviews(), SettableClock(NOW)
    reviewer = TokenReviewer(kube, "gateway", clock)

    async def refused(number: int) -> RefusalCode:
        with pytest.raises(RefusedError) as refused:
            await reviewer.identify(f"bad-{number}", f"10.0.0.{number % addresses}")
        return refused.value.code

    calls = [asyncio.create_task(refused(number)) for number in range(1000)]
    await asyncio.sleep(0)
    kube.goes_on.set()
    codes = await asyncio.gather(*calls)
    assert len(kube.asked) == reviews
    assert codes.count(RefusalCode.UNAUTHENTICATED) == reviews
    assert codes.count(RefusalCode.UNAVAILABLE) == 1000 - reviews
    clock.now += 1
    await reviewer.identify("good", "10.0.0.0")


async def test_a_review_that_is_given_up_takes_no_room_for_ever() -> None:
    kube, clock = SlowReviews(), SettableClock(NOW)
    reviewer = TokenReviewer(kube, "gateway", clock)
    calls = [asyncio.create_task(reviewer.identify(f"good-{number}", "10.0.0.1")) for number in range(10)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    kube.goes_on.set()
    for number in range(20):
        await reviewer.identify(f"good-{number}", "10.0.0.1")


async def test_tokens_are_told_apart() -> None:
    kube = CountedReviews()
    reviewer = TokenReviewer(kube, "gateway", SettableClock(NOW))
    await reviewer.identify("good-1")
    with pytest.raises(RefusedError):
        await reviewer.identify("bad")
    await reviewer.identify("good-2")
    assert [spec["token"] for spec in kube.asked] == ["good-1", "bad", "good-2"]


async def test_what_is_remembered_has_a_limit() -> None:
    kube = CountedReviews()
    reviewer = TokenReviewer(kube, "gateway", SettableClock(NOW))
    for number in range(5000):
        await reviewer.identify(f"good-{number}")
    await reviewer.identify("good-4999")
    assert len(kube.asked) == 5000
    await reviewer.identify("good-0")
    assert len(kube.asked) == 5001
