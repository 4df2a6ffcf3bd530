"""When a template's status is written, and what happens where it cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import ForbiddenError
from mcptasks.kube.kinds import Resource
from mcptasks.model.base import JsonObject
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.task import Reason
from mcptasks_operator.acting.events import EventPoster
from mcptasks_operator.acting.template_status import REFUSED_SECONDS, TemplateStatuses
from mcptasks_operator.deciding.pool_report import PoolCounts, PoolReport
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.watched_kinds import WatchedKind

pytestmark = pytest.mark.anyio

IDLE = PoolReport(PoolCounts(1, 0, 0, 1))
BUSY = PoolReport(PoolCounts(1, 1, 0, 1))
SHORT = PoolReport(PoolCounts(0, 0, 0, 1), Diagnosis(Reason.QUOTA_EXCEEDED, "no room"))


@dataclass
class StatusApi:
    """Keeps one template's status, as the API server does."""

    statuses: list[JsonObject] = field(default_factory=list)
    refuses: bool = False
    events: list[JsonObject] = field(default_factory=list)

    def template(self, status: JsonObject) -> JsonObject:
        version = str(len(self.statuses) + 1)
        metadata = {"name": "warm", "namespace": "default", "uid": "u", "resourceVersion": version, "generation": 3}
        return {"metadata": metadata, "spec": {"executor": "Warm"}, "status": status}

    async def patch(self, _resource: Resource, _name: str, body: JsonObject, _namespace: str, **_: Any) -> JsonObject:
        if self.refuses:
            raise ForbiddenError(403, "Forbidden", "no right to patch")
        before = self.statuses[-1] if self.statuses else {}
        merged = {key: value for key, value in {**before, **body["status"]}.items() if value is not None}
        self.statuses.append(merged)
        return self.template(merged)


@dataclass
class StatusWorld:
    """A template, its status, and a clock."""

    api: StatusApi = field(default_factory=StatusApi)
    cache: Cache = field(default_factory=Cache)
    seconds: float = 100.0

    def __post_init__(self) -> None:
        self.cache.put(WatchedKind.TEMPLATE, self.api.template({}))
        kube = cast(KubeClient, self.api)
        self.poster = EventPoster(kube)
        self.statuses = TemplateStatuses(kube, self.cache, self.poster, clock=lambda: self.seconds)

    async def report(self, report: PoolReport | None, after: float = 0.0) -> float | None:
        self.seconds += after
        template = self.cache.template_object(("default", "warm"))
        assert template is not None
        return await self.statuses.report(template, report)

    @property
    def written(self) -> list[int]:
        """The busy workers of each write."""
        return [status.get("busyWorkers", -1) for status in self.api.statuses]


async def test_the_first_word_on_workers_is_written_at_once() -> None:
    world = StatusWorld()
    assert await world.report(IDLE) is None
    assert world.written == [0]


async def test_nothing_is_written_where_nothing_has_changed() -> None:
    world = StatusWorld()
    for _ in range(5):
        await world.report(IDLE, after=10)
    assert world.written == [0]


async def test_a_task_that_is_over_within_a_second_is_not_written() -> None:
    world = StatusWorld()
    await world.report(IDLE)
    assert await world.report(BUSY, after=10) == pytest.approx(1.0)
    await world.report(IDLE, after=0.05)
    await world.report(IDLE, after=10)
    assert world.written == [0]


async def test_one_that_lasts_is() -> None:
    world = StatusWorld()
    await world.report(IDLE)
    again = await world.report(BUSY, after=10)
    await world.report(BUSY, after=again or 0.0)
    assert world.written == [0, 1]


async def test_what_changes_all_the_time_is_written_once_a_second() -> None:
    world = StatusWorld()
    await world.report(IDLE)
    for number in range(100):
        await world.report(PoolReport(PoolCounts(1, 1, 0, 1, waiting=number)), after=0.1)
    assert 8 <= len(world.written) <= 11


async def test_why_workers_are_missing_is_written_at_once() -> None:
    world = StatusWorld()
    await world.report(IDLE)
    assert await world.report(SHORT, after=2) is None
    assert world.api.statuses[-1]["conditions"][0]["reason"] == "QuotaExceeded"


async def test_a_template_without_workers_loses_what_was_said_of_them() -> None:
    world = StatusWorld()
    await world.report(IDLE)
    await world.report(None, after=2)
    assert world.api.statuses[-1] == {}


async def test_a_right_that_is_missing_keeps_no_pool_from_work_and_is_tried_again() -> None:
    world = StatusWorld()
    world.api.refuses = True
    assert await world.report(IDLE) == REFUSED_SECONDS
    world.api.refuses = False
    await world.report(IDLE, after=1)
    assert world.written == []
    await world.report(IDLE, after=REFUSED_SECONDS)
    assert world.written == [0]
