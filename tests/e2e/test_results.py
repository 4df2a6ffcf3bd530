"""Results: what a task in a Pod brings back are the bytes of an inline call."""

from __future__ import annotations

import json

import pytest

from mcptasks.model.base import JsonObject
from tests.support.mcp import RawClient

RELATED = "io.modelcontextprotocol/related-task"

CALLS: list[tuple[str, JsonObject]] = [
    *(
        ("tools/call", {"name": name})
        for name in (
            "a_str",
            "a_nan",
            "a_model",
            "mixed",
            "a_whole_result",
            "a_binary_file",
            "an_image_of_a_file",
            "files",
            "asynchronous",
            "dependent",
        )
    ),
    *(("tools/call", {"name": name}) for name in ("a_tool_error", "an_mcp_error", "a_crash")),
    ("prompts/get", {"name": "several_messages", "arguments": {"topic": "whales"}}),
    ("resources/read", {"uri": "returns://bytes"}),
    ("resources/read", {"uri": "returns://2026/report"}),
]


@pytest.fixture(scope="module")
def tasks(client: RawClient) -> list[str]:
    """A task for each call; they run at the same time."""
    return [str(client.old(method, {**params, "task": {}}).result["task"]["taskId"]) for method, params in CALLS]


def answer(message: JsonObject) -> str:
    """An answer's own text: without its request's id, and without what says that it is a task's."""
    result = message.get("result", {})
    result.get("_meta", {}).pop(RELATED, None)
    if not result.get("_meta", True):
        del result["_meta"]
    return json.dumps({key: value for key, value in message.items() if key in ("result", "error")}, ensure_ascii=False)


@pytest.mark.parametrize("number", range(len(CALLS)), ids=lambda n: next(iter(CALLS[n][1].values())))
def test_a_task_has_the_bytes_of_an_inline_call(client: RawClient, tasks: list[str], number: int) -> None:
    method, params = CALLS[number]
    as_task = client.old("tasks/result", {"taskId": tasks[number]})
    assert answer(as_task.message) == answer(client.old(method, params).message)
