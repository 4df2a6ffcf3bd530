"""The rate limit, with a clock of its own, and what is in progress."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from mcptasks.tasks.limits import BURST_SECONDS, MAX_REMEMBERED, InProgress, RateLimit


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
