"""Which tasks wait for a worker at once, and which are left to another replica for a moment."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mcptasks.gateway.known_tasks import KnownTasks
from mcptasks.gateway.waiting_tasks import WaitingTasks
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import ANNOTATION_ANY_REPLICA, JsonObject

pytestmark = pytest.mark.anyio


def a_waiting_task(**metadata: Any) -> JsonObject:
    created = "2026-01-01T12:00:00Z"
    return {"metadata": {"name": "report-1", "uid": "u", "creationTimestamp": created, **metadata}, "spec": {}}


@pytest.mark.parametrize(
    ("item", "others_first", "waits"),
    [
        (a_waiting_task(), False, True),
        (a_waiting_task(), True, False),
        (a_waiting_task(annotations={ANNOTATION_ANY_REPLICA: "true"}), True, True),
    ],
    ids=["made here", "made elsewhere", "made elsewhere, where no worker is"],
)
async def test_a_new_task_is_left_to_the_replica_that_made_it_unless_that_has_no_worker(
    item: JsonObject, others_first: bool, waits: bool
) -> None:
    tasks = WaitingTasks(KnownTasks("ns", cast(WatchCache, None)), lambda _item: None)
    assert tasks.add(item, others_first=others_first) is waits
    assert (tasks.ahead_of("default", "u") == 0) is waits
    tasks.close()
