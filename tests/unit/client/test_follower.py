"""What a follower makes of a task's states and of what the server tells besides."""

from __future__ import annotations

import asyncio

from mcptasks.client.protocol.follower import Follower
from mcptasks.client.task_state import CallProgress, TaskState
from mcptasks.model.task import Phase


def a_state(progress: CallProgress | None, phase: Phase = Phase.WORKING) -> TaskState:
    return TaskState("t", phase, None if progress is None else progress.message, progress)


async def seen_progress(*told: TaskState) -> list[CallProgress | None]:
    """The progress of each state that whoever follows the task gets to see."""
    states: list[TaskState] = []

    async def never() -> TaskState:
        raise AssertionError("all is told")

    async def on_state(state: TaskState) -> None:
        states.append(state)

    follower = Follower(get=never)
    for state in told[1:]:
        follower.hints.tell(state)
    async with asyncio.timeout(5):
        await follower.run(told[0], on_state)
    return [state.progress for state in states]


def test_numbers_stay_with_the_message_that_they_came_with() -> None:
    first, second = CallProgress(1, 1790, "parsing a"), CallProgress(2, 1790, "parsing b")
    seen = seen_progress(
        a_state(first),
        a_state(CallProgress(message="parsing a")),
        a_state(CallProgress(message="parsing b")),
        a_state(second),
        a_state(None, Phase.COMPLETED),
    )
    assert asyncio.run(seen) == [first, first, CallProgress(message="parsing b"), second, None]
