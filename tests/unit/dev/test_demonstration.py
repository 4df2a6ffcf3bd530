"""The demonstration on a machine that is too slow for it."""

from __future__ import annotations

import asyncio

import pytest

from mcptasks.dev.demonstration import DemonstrationError, in_time


async def never() -> None:
    await asyncio.Event().wait()


@pytest.mark.anyio
async def test_a_part_that_does_not_end_is_an_error_that_says_so() -> None:
    with pytest.raises(DemonstrationError, match=r"had not ended after 0\.01 s"):
        await in_time(never(), 0.01)
