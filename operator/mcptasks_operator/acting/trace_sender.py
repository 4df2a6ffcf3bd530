"""Sends the spans of tasks that are over, in the background, and notes in their statuses that they are sent.

Sending never holds up a task. The note makes sure that no restart loses a span: who leads next sends what is not noted.
What was sent and could not be noted is sent again, as the same spans.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from mcptasks.kube.errors import KubeError, NotFoundError
from mcptasks.kube.task_objects import TaskClient
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from mcptasks.tracing.task_spans import TaskSpan
from mcptasks.tracing.tracing import NoTracing, Tracing
from mcptasks_operator.deciding.object_facts import PodFacts
from mcptasks_operator.deciding.task_trace import spans_of, trace_is_due

logger = logging.getLogger(__name__)

TASKS_AT_A_TIME = 100
MAX_WAITING = 10_000
"""Tasks that wait to be sent. Those beyond are offered again when they are looked at again."""

FIRST_PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 60.0
"""Pauses after the collector has not taken spans: doubling."""


@dataclass(frozen=True, slots=True)
class UnsentTrace:
    """A task that is over, and its spans."""

    item: JsonObject
    spans: tuple[TaskSpan, ...]


@dataclass(eq=False)
class TraceSender:
    """Sends what it is offered, many tasks at a time (`run`)."""

    tasks: TaskClient
    tracing: Tracing = field(default_factory=NoTracing)
    pause: float = FIRST_PAUSE_SECONDS
    _waiting: dict[str, UnsentTrace] = field(default_factory=dict)
    _offered: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, task: McpTask, item: JsonObject, pods: Sequence[PodFacts]) -> None:
        """Take the task's spans, if they are due. `item` is the task as it was read."""
        if not self.tracing.active or task.uid in self._waiting or len(self._waiting) >= MAX_WAITING:
            return
        if trace_is_due(task):
            self._waiting[task.uid] = UnsentTrace(item, spans_of(task, pods))
            self._offered.set()

    async def run(self) -> None:
        """Send until cancelled."""
        pause, most = self.pause, TASKS_AT_A_TIME
        while True:
            await self._offered.wait()
            taken = list(self._waiting.items())[:most]
            if not taken:
                self._offered.clear()
                continue
            spans = [span for _, unsent in taken for span in unsent.spans]
            if not await asyncio.to_thread(self.tracing.send, spans):
                logger.warning("the collector has not taken %d spans; trying again in %.0f s", len(spans), pause)
                # It may be one task's spans that are not taken: fewer at a time, and behind those of the others.
                for uid, unsent in taken:
                    del self._waiting[uid]
                    self._waiting[uid] = unsent
                most = max(most // 2, 1)
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE_SECONDS)
                continue
            pause, most = self.pause, min(most * 2, TASKS_AT_A_TIME)
            for uid, unsent in taken:
                await self._note(unsent.item)
                del self._waiting[uid]

    async def _note(self, item: JsonObject) -> None:
        try:
            await self.tasks.update_status(item, _sent)
        except NotFoundError:
            return
        except KubeError as error:
            logger.warning("not noted that the spans of %s are sent: %s", item["metadata"]["name"], error)


def _sent(task: McpTask) -> JsonObject | None:
    return {"status": {"traceSent": True}} if trace_is_due(task) else None
