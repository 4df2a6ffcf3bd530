"""Spans that a collector does not take hold up those of no other task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import pytest

from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.tracing.task_spans import TaskSpan
from mcptasks.tracing.tracing import Tracing
from mcptasks_operator.acting.trace_sender import TraceSender
from tests.support.doubles import MemoryTasks
from tests.unit.operator.builders import at, ended_status, task_item

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class PickyCollector:
    """Takes nothing that a span of the year 2999 is among."""

    active: bool = True
    taken: list[TaskSpan] = field(default_factory=list)

    def send(self, spans: Sequence[TaskSpan]) -> bool:
        if any(span.end.year == 2999 for span in spans):
            return False
        self.taken += spans
        return True


def over(name: str, **status: object) -> JsonObject:
    gone: JsonObject = {"type": "PodsTerminated", "status": "True", "lastTransitionTime": timestamp(at(11))}
    known = {**ended_status("completed"), "conditions": [gone], **status}
    item = task_item(spec={"traceContext": {"traceparent": PARENT}}, status=known)
    item["metadata"] |= {"name": name, "uid": name}
    return item


@pytest.mark.anyio
async def test_one_task_whose_spans_are_refused_holds_up_no_other() -> None:
    items = {"bad": over("bad", finishedAt="2999-01-01T00:00:00Z"), **{name: over(name) for name in ("a", "b", "c")}}
    collector = PickyCollector()
    sender = TraceSender(cast(TaskClient, MemoryTasks(items)), cast(Tracing, collector), pause=0.001)
    for item in items.values():
        sender.offer(parse_task(item), item, [])
    running = asyncio.create_task(sender.run())
    try:
        async with asyncio.timeout(10):
            while len(collector.taken) < 9:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
