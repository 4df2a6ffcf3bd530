"""A CPU-bound tool, written as a plain function: it blocks nobody, and ends when it is cancelled.

Run it with `mcptasks dev examples/prime_gaps.py`, then call it:

    mcptasks call http://127.0.0.1:8000/mcp largest_gap --arg limit=5000000
"""

from math import isqrt
from typing import Annotated

from pydantic import BaseModel, Field

from mcptasks import TaskConfig, TaskServer, progress

mcp = TaskServer("prime-gaps")

SEGMENT = 200_000


class Gap(BaseModel):
    """Two neighbouring primes that are far apart."""

    below: int
    above: int
    size: int


@mcp.tool(task=TaskConfig(poll_interval=0.5))
def largest_gap(limit: Annotated[int, Field(ge=3, le=10**10, description="Look at the primes up to here.")]) -> Gap:
    """Find the first largest gap between two neighbouring primes."""
    small = primes(2, isqrt(limit), [])
    last, best = 2, Gap(below=2, above=3, size=1)
    for start in range(3, limit + 1, SEGMENT):
        end = min(start + SEGMENT - 1, limit)
        for prime in primes(start, end, small):
            if prime - last > best.size:
                best = Gap(below=last, above=prime, size=prime - last)
            last = prime
        progress(end, limit, f"largest gap so far: {best.size}")
    return best


def primes(start: int, end: int, small: list[int]) -> list[int]:
    """The primes from `start` to `end`; `small` has those up to the square root of `end`, or none for a first sieve."""
    is_prime = bytearray([1]) * max(0, end - start + 1)
    for divisor in small or range(2, isqrt(max(0, end)) + 1):
        first = max(divisor * divisor, -(-start // divisor) * divisor)
        for multiple in range(first - start, len(is_prime), divisor):
            is_prime[multiple] = 0
    return [start + offset for offset, prime in enumerate(is_prime) if prime]
