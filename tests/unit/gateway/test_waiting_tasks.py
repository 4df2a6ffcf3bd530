"""Which tasks wait for a worker, whatever their objects say."""

from __future__ import annotations

from typing import cast

import pytest

from mcptasks.gateway.known_tasks import KnownTasks
from mcptasks.gateway.waiting_tasks import WaitingTasks
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from tests.support.odd_objects import ODD_TASKS, with_parts
from tests.unit.tasks.objects import task_object

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("parts", ODD_TASKS.values(), ids=ODD_TASKS.keys())
async def test_an_odd_task_waits_as_any_other(parts: dict[str, JsonObject]) -> None:
    cache = WatchCache(cast(KubeClient, None), MCP_TASKS, "default")
    waiting = WaitingTasks(KnownTasks("default", cache), lambda _item: None)
    item = with_parts(task_object("odd", version=1), parts)
    assert waiting.add(item, others_first=False)
    waiting.remove(item)
    waiting.close()
