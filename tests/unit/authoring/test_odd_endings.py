"""Components that cancel themselves, or give their values one by one: the same inline and in a Job."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mcptasks import Depends, progress
from mcptasks.authoring.call_facts import CallFacts
from mcptasks.authoring.call_scope import call_scope, ends_no_server
from mcptasks.authoring.shared_values import SharedValues
from mcptasks.model.task import ComponentKind
from tests.support.inline_and_job import OLD, RecordingChannel, in_job, inline
from tests.unit.authoring.dependency_functions import PLACES, Run, call, server_with, text_of

VERSIONS = pytest.mark.parametrize("version", [OLD, "2026-07-28"])


async def waits_for_what_it_has_cancelled() -> str:
    work = asyncio.ensure_future(asyncio.sleep(60))
    work.cancel()
    await work
    return "never"


async def cancelled_by_a_dependency(value: str = Depends(waits_for_what_it_has_cancelled)) -> str:
    return value


def runs_a_loop_of_its_own() -> str:
    return asyncio.run(waits_for_what_it_has_cancelled())


def leaves_a_loop_of_its_own(value: str = Depends(runs_a_loop_of_its_own)) -> str:
    return value


OWN_CANCELLATIONS = [
    waits_for_what_it_has_cancelled,
    cancelled_by_a_dependency,
    runs_a_loop_of_its_own,
    leaves_a_loop_of_its_own,
]


@PLACES
@VERSIONS
@pytest.mark.parametrize("fn", OWN_CANCELLATIONS)
def test_a_cancellation_that_nobody_asked_for_is_an_error_of_the_tool(
    run: Run, version: str, fn: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = json.loads(run(server_with(fn), call(version=version)))
    assert answer["result"]["isError"]
    assert "CancelledError" in answer["result"]["content"][0]["text"]
    assert "in waits_for_what_it_has_cancelled" in answer["result"]["content"][0]["text"]
    assert "could not be closed" not in caplog.text


@PLACES
@VERSIONS
@pytest.mark.parametrize("kind", [ComponentKind.PROMPT, ComponentKind.RESOURCE])
def test_of_a_prompt_or_resource_as_well(run: Run, version: str, kind: ComponentKind) -> None:
    answer = json.loads(run(server_with(waits_for_what_it_has_cancelled, kind), call(kind=kind, version=version)))
    assert "in waits_for_what_it_has_cancelled" in answer["error"]["message"]


@pytest.mark.anyio
async def test_a_call_that_is_cancelled_ends_by_its_cancellation() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with call_scope(CallFacts(), SharedValues()):
            with ends_no_server():
                begun.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


def names_a_file_that_is_no_utf8() -> str:
    name = os.fsdecode(b"caf\xe9.csv")
    raise ValueError(f"no rows in {name}")


@PLACES
@VERSIONS
def test_an_exception_with_half_a_character_is_told(run: Run, version: str) -> None:
    answer = json.loads(run(server_with(names_a_file_that_is_no_utf8), call(version=version)))
    assert answer["result"]["isError"]
    assert r"ValueError: no rows in caf\udce9.csv" in answer["result"]["content"][0]["text"]


def counts():  # type: ignore[no-untyped-def]
    for number in range(2):
        progress(number, 2)
        yield number


def counts_with_a_dependency(start: int = Depends(lambda: 5)):  # type: ignore[no-untyped-def]
    yield start


def names_its_thread():  # type: ignore[no-untyped-def]
    yield threading.current_thread() is threading.main_thread()


def breaks_off():  # type: ignore[no-untyped-def]
    yield 1
    raise ValueError("no second one")


@PLACES
def test_a_generator_functions_values_are_a_list(run: Run) -> None:
    heard = RecordingChannel()
    assert json.loads(text_of(run(server_with(counts), call(), heard))) == [0, 1]
    assert heard.progressed[-1][:2] == (1, 2)
    assert json.loads(text_of(run(server_with(counts_with_a_dependency), call()))) == [5]
    resource = ComponentKind.RESOURCE
    assert json.loads(text_of(run(server_with(counts, resource), call(kind=resource)))) == [0, 1]


@PLACES
def test_structured_content_has_them_as_well(run: Run) -> None:
    def it() -> list[int]:  # type: ignore[misc]
        yield from range(2)

    result = json.loads(run(server_with(it), call()))["result"]
    assert result["structuredContent"] == {"result": [0, 1]}
    assert [block["text"] for block in result["content"]] == ["0", "1"]


def test_it_runs_where_functions_run() -> None:
    assert json.loads(text_of(in_job(server_with(names_its_thread), call()))) == [True]
    assert json.loads(text_of(inline(server_with(names_its_thread), call()))) == [False]


@PLACES
def test_what_it_raises_has_its_place(run: Run) -> None:
    text = text_of(run(server_with(breaks_off), call()))
    assert "ValueError: no second one" in text
    assert "in breaks_off" in text
