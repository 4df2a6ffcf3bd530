"""Whatever is in one task: whoever asks for it gets an answer of the protocol, and the others get theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from tests.support.odd_objects import ODD_TASKS, with_parts
from tests.unit.protocol.conftest import Endpoint, serving

INTERNAL = -32603


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with serving(Settings(single_user=True, max_kept_tasks_per_caller=0, max_kept_bytes_per_caller=0)) as running:
        yield running


@pytest.fixture(scope="module")
def plain(endpoint: Endpoint) -> str:
    return endpoint.make()


def put_in(endpoint: Endpoint, name: str, like: str, parts: dict[str, JsonObject]) -> None:
    """Put an odd task into the cluster and the server's cache."""
    metadata = {"name": name, "uid": f"uid-of-{name}"}
    item = with_parts(endpoint.tasks.items[like] | {"status": {}}, {"metadata": metadata})
    endpoint.tasks.items[name] = odd = with_parts(item, parts)
    endpoint.loop.call_soon_threadsafe(endpoint.service.cache.add, odd)


@pytest.mark.parametrize("parts", ODD_TASKS.values(), ids=ODD_TASKS.keys())
def test_every_question_about_it_is_answered(endpoint: Endpoint, plain: str, parts: dict[str, JsonObject]) -> None:
    name = f"odd-{len(endpoint.tasks.items)}"
    put_in(endpoint, name, plain, parts)
    about: JsonObject = {"taskId": name}
    answers: list[Any] = [endpoint.old("tasks/get", about), endpoint.new("tasks/get", about)]
    if parts.get("status", {}).get("phase") in ("completed", "failed"):
        answers.append(endpoint.old("tasks/result", about))
    answers += [endpoint.new("tasks/update", about | {"inputResponses": {"1": {"action": "decline"}}})]
    answers += [endpoint.new("tasks/cancel", about), endpoint.old("tasks/cancel", about)]
    for answer in answers:
        assert ("result" in answer.message) or "Internal server error" not in str(answer.error)
    listed = {task["taskId"] for task in endpoint.old("tasks/list", {}).result["tasks"]}
    assert plain in listed
    assert endpoint.old("tasks/get", {"taskId": plain}).result["status"] == "working"
