"""Lists of everything: all tasks are looked at again, or only those that have changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from mcptasks.kube.api_client import KubeClient, ObjectList
from mcptasks.kube.kinds import MCP_TASKS, Resource
from mcptasks.model.base import JsonObject
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.queues import Queues
from mcptasks_operator.watching.resync import Resync
from tests.unit.operator.builders import task_item

pytestmark = pytest.mark.anyio


@dataclass
class TaskVersions:
    """Stands in for the client: has tasks and nothing else."""

    versions: dict[str, int] = field(default_factory=dict)

    async def list(self, resource: Resource, _namespace: str | None, *, label_selector: str | None) -> ObjectList:
        items = [self.item(name) for name in self.versions] if resource == MCP_TASKS else []
        return ObjectList(items, "100")

    def item(self, name: str) -> JsonObject:
        return task_item(metadata={"name": name, "uid": name, "resourceVersion": str(self.versions[name])})


@dataclass
class Looks:
    """The tasks that were queued since it was last asked."""

    queued: list[str] = field(default_factory=list)
    pools: list[str] = field(default_factory=list)

    @property
    def queues(self) -> Queues:
        return Queues(lambda key: self.queued.append(key[1]), lambda key: self.pools.append(key[1]))

    def take(self) -> list[str]:
        taken, self.queued = sorted(self.queued), []
        return taken


@pytest.fixture
def tasks() -> TaskVersions:
    return TaskVersions({"a": 1, "b": 2})


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def resync(tasks: TaskVersions, looks: Looks) -> Resync:
    kube = cast(KubeClient, tasks)
    return Resync(kube, Cache(), ("default",), looks.queues, lambda: None, 60)


async def test_a_resync_looks_at_all_tasks_each_time(resync: Resync, looks: Looks) -> None:
    await resync.once()
    assert looks.take() == ["a", "b"]
    await resync.once()
    assert looks.take() == ["a", "b"]


async def test_a_resync_soon_after_another_looks_at_what_is_new_changed_or_gone(
    resync: Resync, tasks: TaskVersions, looks: Looks
) -> None:
    await resync.once()
    looks.take()
    await resync.once(only_changed=True)
    assert looks.take() == []
    tasks.versions = {"b": 3, "c": 4}
    await resync.once(only_changed=True)
    assert looks.take() == ["a", "b", "c"]
