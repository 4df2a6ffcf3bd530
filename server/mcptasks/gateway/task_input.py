"""What a running tool asks its caller: writes the questions down, and waits for the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.gateway.claims import refuse_unless_runs
from mcptasks.gateway.contract import InputAnswer, InputAnswers, InputReport, RefusalCode
from mcptasks.gateway.json_texts import is_json
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.task_records import TaskRecords
from mcptasks.kube.task_objects import parse_task
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Retention, end
from mcptasks.model.questions import (
    MAX_QUESTION_BYTES,
    MAX_QUESTIONS_OF_A_TASK,
    QuestionError,
    answers,
    answers_due,
    asked,
    timed_out,
)
from mcptasks.model.task import InputRequest, McpTask

LOOK_SECONDS = 1.0
"""How often a task is read for a runner that waits for answers, where there is no watch that tells of them."""


@dataclass(eq=False)
class _Poll:
    """A call that waits for answers."""

    changed: asyncio.Event
    superseded: bool = False


@dataclass(eq=False)
class LatestPolls:
    """The one call of each Pod and task that waits for answers: a newer one ends it."""

    _polls: dict[Hashable, _Poll] = field(default_factory=dict)

    @contextmanager
    def latest(self, key: Hashable, changed: asyncio.Event) -> Iterator[_Poll]:
        """The newest call. `changed` is set when another one has taken its place."""
        before, poll = self._polls.get(key), _Poll(changed)
        if before is not None:
            before.superseded = True
            before.changed.set()
        self._polls[key] = poll
        try:
            yield poll
        finally:
            if self._polls.get(key) is poll:
                del self._polls[key]


@dataclass(frozen=True)
class TaskInput:
    """Serves what runners ask of callers. `cache` tells of answers that others write, in what it covers."""

    records: TaskRecords
    cache: WatchCache | None
    retention: Retention
    clock: Callable[[], datetime]
    max_questions: int = MAX_QUESTIONS_OF_A_TASK
    polls: LatestPolls = field(default_factory=LatestPolls)

    async def ask(self, pod: TaskPod, report: InputReport) -> InputAnswers:
        """Make these, and no others, the task's questions; gives the answers that are there. May be repeated.

        Raises RefusedError, KubeError.
        """
        # Those that are too large are refused for that.
        texts = [q.params_text for q in report.questions if len(q.params_text) <= MAX_QUESTION_BYTES]
        if not all(is_json(text, dict) for text in texts):
            raise RefusedError(RefusalCode.INVALID, "the params of a question are no JSON object that can be passed on")
        questions = [
            InputRequest(key=q.key, method=q.method, params_text=q.params_text, message=q.message)
            for q in report.questions
        ]

        def change(task: McpTask) -> JsonObject | None:
            refuse_unless_runs(task, pod)
            try:
                return asked(task, questions, self.clock(), self.max_questions)
            except QuestionError as error:
                raise RefusedError(RefusalCode.INVALID, str(error)) from error

        # `change` may find nothing to do in what is read here, so it must be the newest.
        return _as_answers(parse_task(await self.records.write(await self.records.read(pod), change)))

    async def answers(self, pod: TaskPod, seconds: float) -> InputAnswers:
        """The answers to the task's questions, as soon as there is one; an empty set after the given seconds.

        A task that has waited for as long as it may ends here. A newer call of the same Pod ends this one.

        Raises RefusedError, KubeError.
        """
        until = asyncio.get_running_loop().time() + seconds
        async with self._changes(pod) as changed:
            with self.polls.latest(pod.key, changed) as poll:
                return await self._answers(pod, poll, until)

    async def _answers(self, pod: TaskPod, poll: _Poll, until: float) -> InputAnswers:
        loop = asyncio.get_running_loop()
        while not poll.superseded:
            poll.changed.clear()
            item = await self.records.read(pod)
            task = parse_task(item)
            refuse_unless_runs(task, pod)
            now, due = self.clock(), answers_due(task)
            if due is not None and due <= now:
                await self.records.write(item, lambda task: self._time_out(task, pod), parsed=task)
                continue
            left = until - loop.time()
            if answers(task) or left <= 0:
                return _as_answers(task)
            await self._wait(pod, poll.changed, left if due is None else min(left, (due - now).total_seconds()))
        return InputAnswers()

    def _time_out(self, task: McpTask, pod: TaskPod) -> JsonObject | None:
        """End the task, unless an answer has come meanwhile."""
        refuse_unless_runs(task, pod)
        now, due = self.clock(), answers_due(task)
        return end(task, timed_out(task), now, self.retention) if due is not None and due <= now else None

    def _is_told(self, pod: TaskPod) -> bool:
        return self.cache is not None and self.cache.covers(pod.namespace)

    @asynccontextmanager
    async def _changes(self, pod: TaskPod) -> AsyncIterator[asyncio.Event]:
        """An event that is set when the Pod's task changes; never, where nothing tells of changes."""
        if self.cache is None or not self._is_told(pod):
            yield asyncio.Event()
            return
        async with self.cache.changes(pod.namespace, pod.task_name) as changed:
            yield changed

    async def _wait(self, pod: TaskPod, changed: asyncio.Event, seconds: float) -> None:
        limit = seconds if self._is_told(pod) else min(seconds, LOOK_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(limit, 0.01)):
                await changed.wait()


def _as_answers(task: McpTask) -> InputAnswers:
    found = answers(task).items()
    return InputAnswers(answers=[InputAnswer(key=key, text=answer.text, error=answer.error) for key, answer in found])
