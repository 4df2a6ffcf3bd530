"""What a request costs behind the endpoint."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from mcptasks.kube.task_objects import parse_task
from tests.unit.protocol.conftest import Endpoint


@dataclass(frozen=True)
class Cost:
    """How often the API server was asked for a task, and how often one was parsed."""

    reads: int
    parses: int


def cost_of(endpoint: Endpoint, action: Callable[[], object]) -> Cost:
    """What the endpoint does for the action, which runs in this thread."""
    before, parses = endpoint.tasks.reads, _Calls(parse_task)
    _profile(endpoint.loop, parses.note)
    try:
        action()
    finally:
        _profile(endpoint.loop, None)
    return Cost(endpoint.tasks.reads - before, parses.count)


@dataclass
class _Calls:
    """Counts the calls of one function in a thread that has `note` as its profiler: nothing is replaced for it."""

    function: Callable[..., object]
    count: int = field(default=0, init=False)

    def note(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is getattr(self.function, "__code__", None):
            self.count += 1


def _profile(loop: asyncio.AbstractEventLoop, profiler: Callable[[FrameType, str, object], None] | None) -> None:
    """Have the loop's thread call the profiler from now on."""

    async def install() -> None:
        sys.setprofile(profiler)

    asyncio.run_coroutine_threadsafe(install(), loop).result(10)
