"""What is checked with every agent framework: what its model is told after each call.

Runs in the client's own environment. The models are scripted: they make the calls that they are given, one after
another, in one run of a real agent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from checks import Checks, eventually, expect, held_tool

Calls = list[tuple[str, dict[str, Any]]]
Run = Callable[[Calls], Awaitable[list[str]]]
"""Runs one agent whose model makes the calls; gives what the model was told after each. Raises what ends the run."""


async def ends_with(text: str, run: Awaitable[object]) -> None:
    """Expect that the run ends with an error that has the text in its message."""
    try:
        told = await run
    except Exception as error:  # noqa: BLE001 - each framework has exceptions of its own
        expect(text in str(error), error)
    else:
        raise AssertionError(f"no error but {told!r}")


async def check_answers(checks: Checks, run: Run) -> None:
    """Tools that answer, whatever the framework knows of tasks."""

    async def answer(name: str, arguments: dict[str, Any], text: str) -> None:
        (told,) = await run([(name, arguments)])
        expect(text in told, told)

    async def inline() -> None:
        await answer("inline_only", {"a": 5}, "5")

    async def by_default() -> None:
        await answer("add", {"a": 40, "b": 2}, "42")

    async def waited() -> None:
        await answer("waited_steps", {}, "3 steps done")

    await checks("an inline tool answers", inline)
    await checks("a tool that may be a task answers", by_default)
    await checks("a tool with without_tasks='wait' answers", waited)


async def check_repairs(checks: Checks, run: Run) -> None:
    """Errors that a model can do something about."""

    async def unexpected() -> None:
        first, second = await run([("divide", {"a": 1, "b": 0}), ("divide", {"a": 1, "b": 2})])
        expect("ZeroDivisionError: division by zero" in first, first)
        expect("0.5" in second, second)

    async def own() -> None:
        first, second = await run([("refuse", {"message": "no such year"}), ("add", {"a": 40, "b": 2})])
        expect("no such year" in first, first)
        expect("42" in second, second)

    async def arguments() -> None:
        first, second = await run([("add", {"a": "x", "b": 2}), ("add", {"a": 40, "b": 2})])
        expect("'a': input should be a valid integer" in first, first)
        expect("42" in second, second)

    await checks("the model is told what a tool raised, and calls it again", unexpected)
    await checks("a tool's own error reaches the model", own)
    await checks("wrong arguments are named to the model", arguments)


async def check_stop(checks: Checks, run: Run) -> None:
    """A run that is cancelled in the middle of a call."""

    async def ends_the_tool() -> None:
        with held_tool() as held:
            running = asyncio.ensure_future(run([("hold", {"file": str(held.file)})]))

            async def begun() -> bool:
                if running.done():
                    raise AssertionError(f"no call but {await running!r}")
                return await held.begun()

            await eventually(begun)
            running.cancel()
            await asyncio.wait([running])
            await eventually(held.ended)

    await checks("a run that is cancelled ends its tool", ends_the_tool)
