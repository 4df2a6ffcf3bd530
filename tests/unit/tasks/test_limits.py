"""The rate limit, with a clock of its own, and what is in progress."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks.model.decaying_count import DecayingCount
from mcptasks.tasks.call_rates import AVERAGED_SECONDS
from mcptasks.tasks.limits import BURST_SECONDS, MAX_REMEMBERED, InProgress, RateLimit, unasked_ttl_ms


def test_a_burst_is_allowed_then_the_rate() -> None:
    limit = RateLimit(2)
    assert [limit.allows("k", 100.0) for _ in range(5)] == [True] * 4 + [False]
    assert not limit.allows("k", 100.2)
    assert limit.allows("k", 100.6)
    assert not limit.allows("k", 100.6)


def test_keys_do_not_share_a_limit() -> None:
    limit = RateLimit(0.5)
    assert limit.allows("a", 0)
    assert not limit.allows("a", 0)
    assert limit.allows("b", 0)


def test_zero_is_no_limit_and_remembers_nothing() -> None:
    limit = RateLimit(0)
    assert all(limit.allows("k", 0) for _ in range(10_000))


def test_only_so_many_keys_are_remembered() -> None:
    limit = RateLimit(0.5)
    for number in range(MAX_REMEMBERED + 1):
        limit.allows(number, 0)
    assert limit.allows(0, 0), "the oldest was forgotten"
    assert not limit.allows(MAX_REMEMBERED, 0)


@given(st.floats(0.1, 50), st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_never_more_than_the_rate_and_one_burst(rate: float, pauses: list[float]) -> None:
    limit, now, allowed = RateLimit(rate), 0.0, 0
    for pause in pauses:
        now += pause
        allowed += limit.allows("k", now)
    assert allowed <= max(1.0, rate * BURST_SECONDS) + rate * now + 1e-6


def test_what_has_ended_or_failed_is_no_longer_in_progress() -> None:
    calls = InProgress()
    with calls.one_more("a"), suppress(ValueError), calls.one_more("a"):
        assert (calls.count("a"), calls.count("b")) == (2, 0)
        raise ValueError
    with calls.one_more("a"):
        assert calls.count("a") == 1
    assert calls.count("a") == 0


HOUR = 3_600_000


def test_who_calls_often_gets_shorter_ttls_before_refusals() -> None:
    assert unasked_ttl_ms(HOUR, 10_000, 20_000, 10) == 500_000
    assert unasked_ttl_ms(HOUR, 10_000, 20_000, 0.1) == HOUR
    assert unasked_ttl_ms(HOUR, 19_999, 20_000, 100) == 60_000
    assert unasked_ttl_ms(HOUR, 1_000, 20_000, 1_000) == HOUR
    assert unasked_ttl_ms(5_000, 19_999, 20_000, 100) == 5_000
    assert unasked_ttl_ms(HOUR, 10**6, 0, 100) == HOUR


@pytest.mark.parametrize("per_second", [1, 20, 50, 150])
def test_steady_calls_are_never_refused(per_second: int) -> None:
    """20,000 tasks kept for an hour each would be refused from 5.6 calls a second on."""
    limit, kept, expiries, rate = 20_000, 0, Counter[int](), DecayingCount(AVERAGED_SECONDS)
    for second in range(2 * 3600):
        now = datetime.fromtimestamp(second, UTC)
        kept -= expiries.pop(second, 0)
        ttl = unasked_ttl_ms(HOUR, kept, limit, rate.rate(now)) // 1000
        expiries[second + ttl] += per_second
        kept += per_second
        for _ in range(per_second):
            rate = rate.after(now)
        assert kept < limit
