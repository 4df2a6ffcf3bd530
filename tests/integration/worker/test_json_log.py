"""A worker's log where logs are of JSON objects: each line is one, whatever tasks print."""

from __future__ import annotations

import json

import pytest

from tests.integration.worker.harness import Worker
from tests.support.task_output import lines_of_task

SPEAK = """
import logging

@mcp.tool()
def speak() -> None:
    print("plain words")
    print('{"message": "an object"}')
    print("x" * 9000)
    logging.getLogger("tools").warning("logged")
"""


@pytest.mark.parametrize("thread", ["", "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"])
def test_each_line_is_an_object_and_a_tasks_own_are_found(worker: Worker, thread: str) -> None:
    """Copied processes, and interpreters of their own."""
    worker.environment["MCPTASKS_LOG_FORMAT"] = "json"
    worker.module(f"{thread}\n{SPEAK}")
    worker.ready()
    worker.gateway.run("speak")
    worker.gateway.outcome()
    lines = worker.log.splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    own = list(lines_of_task(lines, "task-1", 1))
    printed = ["plain words", '{"message": "an object"}', "x" * 9000]
    assert [line for line in own if line in printed] == printed
    assert any("logged" in line for line in own)
