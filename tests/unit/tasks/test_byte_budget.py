"""How callers share a budget of bytes."""

from __future__ import annotations

import asyncio

import pytest

from mcptasks.tasks.byte_budget import ByteBudget

pytestmark = pytest.mark.anyio

AT_ONCE = 0.01
PATIENT = 60.0


async def granted(budget: ByteBudget, key: str, amount: int) -> bool:
    return await budget.take(key, amount, AT_ONCE)


async def test_one_key_has_half_and_leaves_the_rest_to_others() -> None:
    budget = ByteBudget(100)
    assert await granted(budget, "a", 50)
    assert not await granted(budget, "a", 1)
    assert await granted(budget, "b", 50)
    assert not await granted(budget, "c", 1)
    assert budget.taken == 100


async def test_what_is_given_back_goes_to_who_waits() -> None:
    budget = ByteBudget(100)
    assert await granted(budget, "a", 50)
    assert await granted(budget, "b", 50)
    waiting = [asyncio.ensure_future(budget.take(key, 30, PATIENT)) for key in "cd"]
    await asyncio.sleep(0)
    budget.give_back("a", 50)
    assert await waiting[0]
    assert not waiting[1].done(), "30 and 30 are more than 50"
    budget.give_back("b", 50)
    assert await waiting[1]
    assert budget.taken == 60


async def test_who_has_its_half_lets_others_pass() -> None:
    budget = ByteBudget(100)
    assert await granted(budget, "a", 50)
    waiting = asyncio.ensure_future(budget.take("a", 10, PATIENT))
    await asyncio.sleep(0)
    assert await granted(budget, "b", 10)
    budget.give_back("a", 50)
    assert await waiting


async def test_small_amounts_do_not_keep_a_large_one_waiting_for_ever() -> None:
    budget = ByteBudget(100)
    assert await granted(budget, "a", 50)
    assert await granted(budget, "b", 20)
    large = asyncio.ensure_future(budget.take("c", 50, PATIENT))
    await asyncio.sleep(0)
    assert not await granted(budget, "d", 10), "it comes after the large one"
    budget.give_back("a", 50)
    assert await large


async def test_what_is_larger_than_all_of_it_is_granted_alone() -> None:
    budget = ByteBudget(100)
    assert await granted(budget, "a", 500)
    assert not await granted(budget, "b", 1)
    budget.give_back("a", 500)
    assert await granted(budget, "b", 1)
    assert not await granted(budget, "a", 500)


async def test_who_gives_up_takes_nothing() -> None:
    budget = ByteBudget(100)
    assert await granted(budget, "a", 200)
    waiting = asyncio.ensure_future(budget.take("b", 60, PATIENT))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    budget.give_back("a", 200)
    assert budget.taken == 0
