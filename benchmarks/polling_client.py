"""The client of `warm.py`, the same for FastMCP and for mcptasks: raw requests of 2026-07-28, and polls."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.measure import CLIENTS, KeptClient
from mcptasks.model.base import JsonObject
from tests.support.mcp import TERMINAL

FIRST_POLL_SECONDS = 0.005
POLL_SHARE = 0.05
"""The pause before a poll is this share of the time since the call, and `FIRST_POLL_SECONDS` at least."""

CROWD_POLL_SECONDS = 0.05
CROWD_POLLERS = 2
"""Of many tasks at once: so many connections ask for one task after the other, in the order of the calls."""

CROWD_SECONDS = 1800.0

POLLS = (
    f"one task: tasks/get at once, then after {1000 * FIRST_POLL_SECONDS:g} ms or {100 * POLL_SHARE:g} % of the time "
    f"since the call, whichever is more; many: submitted over {CLIENTS} connections, then {CROWD_POLLERS} connections "
    f"ask for task after task every {1000 * CROWD_POLL_SECONDS:g} ms until it has ended"
)


class WrongResultError(Exception):
    """A task has not completed with the result that it should have."""


@dataclass(frozen=True)
class TimedTask:
    """A task that has completed, and the seconds from its call to its result."""

    id: str
    seconds: float


@dataclass(frozen=True)
class TimedCrowd:
    """Tasks that were called at once, all completed: until all had been submitted, and until the last result."""

    ids: list[str]
    submit_seconds: float
    seconds: float


@dataclass(frozen=True)
class PollingClient(KeptClient):
    """Calls tools as tasks and polls for their results, as any client of 2026-07-28 can."""

    def call(self, tool: str, arguments: JsonObject) -> str:
        """Call a tool as a task; its id."""
        answer = self.new("tools/call", {"name": tool, "arguments": arguments}).result
        if answer.get("resultType") != "task":
            raise WrongResultError(f"{self.url}: {tool} was not run as a task: {answer}")
        return str(answer["taskId"])

    def look(self, task_id: str) -> JsonObject:
        """The task as it is, with its result once it has one."""
        return self.new("tasks/get", {"taskId": task_id}, mcp_name=task_id).result

    def give_up(self, task_id: str) -> None:
        """Cancel the task."""
        _ = self.new("tasks/cancel", {"taskId": task_id}, mcp_name=task_id).result

    def timed(self, tool: str, arguments: JsonObject, expected: str) -> TimedTask:
        """One task, from the call to its result. Raises WrongResultError."""
        start = time.perf_counter()
        task_id = self.call(tool, arguments)
        self._completed(task_id, expected, lambda: max(FIRST_POLL_SECONDS, POLL_SHARE * (time.perf_counter() - start)))
        return TimedTask(task_id, time.perf_counter() - start)

    def crowd(self, tool: str, arguments: JsonObject, expected: str, count: int) -> TimedCrowd:
        """Many tasks at once. Raises WrongResultError where one has not completed as expected."""
        start = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            ids = list(pool.map(lambda _: self.call(tool, arguments), range(count)))
        submitted = time.perf_counter() - start
        with ThreadPoolExecutor(CROWD_POLLERS) as pool:
            list(pool.map(lambda task_id: self._completed(task_id, expected, lambda: CROWD_POLL_SECONDS), ids))
        return TimedCrowd(ids, submitted, time.perf_counter() - start)

    def _completed(self, task_id: str, expected: str, pause: Callable[[], float]) -> None:
        give_up_at = time.perf_counter() + CROWD_SECONDS
        while (task := self.look(task_id))["status"] not in TERMINAL:
            if time.perf_counter() > give_up_at:
                raise WrongResultError(f"{self.url}: not ended after {CROWD_SECONDS:.0f} s: {task}")
            time.sleep(pause())
        content = (task.get("result") or {}).get("content") or [{}]
        if task["status"] != "completed" or content[0].get("text") != expected:
            raise WrongResultError(f"{self.url}: not completed with {expected!r}: {task}")
