"""A client that keeps asking while something is down, as a real one does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx2

from mcptasks.model.base import JsonObject
from tests.support.mcp import TERMINAL, RawClient

T = TypeVar("T")

EVERY_SECONDS = 0.25
UNKNOWN_TASK = -32602


class TaskUnknownError(Exception):
    """The server says that there is no such task."""


class NoAnswerError(Exception):
    """Nothing but failures for as long as was to be insisted; the last one, and how many there were."""


@dataclass(frozen=True)
class PatientClient:
    """Asks again after every failure of the transport and every answer that says that something is down.

    Raises NoAnswerError where that has gone on for too long.
    """

    client: RawClient

    def create(self, tool: str, arguments: JsonObject, ttl: int, seconds: float = 30) -> str:
        """Create a task; where no answer came it may be there twice, and only the one that is named counts."""
        return _insist(lambda: self.client.create(tool, arguments, ttl=ttl), seconds)

    def get(self, task_id: str, seconds: float = 60) -> JsonObject:
        """The task with its result, where it has one. Raises TaskUnknownError."""
        return _insist(lambda: self._get(task_id), seconds)

    def _get(self, task_id: str) -> JsonObject:
        message = self.client.new("tasks/get", {"taskId": task_id}).message
        if "result" in message:
            found: JsonObject = message["result"]
            return found
        if message["error"]["code"] == UNKNOWN_TASK:
            raise TaskUnknownError(task_id)
        raise AssertionError(f"tasks/get: {message['error']}")

    def ended(self, task_id: str, seconds: float) -> JsonObject | None:
        """The task once it has ended; None where it has not in time. Raises TaskUnknownError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            task = self.get(task_id, max(deadline - time.monotonic(), 1))
            if task["status"] in TERMINAL:
                return task
            time.sleep(EVERY_SECONDS)
        return None


def _insist(ask: Callable[[], T], seconds: float) -> T:
    start, times = time.monotonic(), 0
    while True:
        times += 1
        try:
            return ask()
        except (httpx2.HTTPError, json.JSONDecodeError, AssertionError) as error:
            if (waited := time.monotonic() - start) > seconds:
                raise NoAnswerError(f"{error} ({times} times in {waited:.1f} s)") from error
        time.sleep(EVERY_SECONDS)
