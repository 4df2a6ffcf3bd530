"""What the operator finds out on demand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from mcptasks.kube.api_client import KubeClient, ObjectList
from mcptasks.kube.errors import ForbiddenError
from mcptasks.kube.kinds import EVENTS, Resource
from mcptasks.model.base import JsonObject
from mcptasks_operator.acting.gatherer import WARNINGS_SECONDS, Gatherer, NamespaceEvents, scale_ups
from mcptasks_operator.deciding.gathered_evidence import Evidence, Need, TemplateState
from mcptasks_operator.deciding.object_facts import NEVER, PodFacts
from mcptasks_operator.deciding.pending_causes import NOTABLE_SECONDS
from mcptasks_operator.watching.cache import Cache, TaskSnapshot
from tests.support.clocks import SettableClock

pytestmark = pytest.mark.anyio


def warning(uid: str, reason: str) -> JsonObject:
    metadata = {"name": uid, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": metadata, "type": "Warning", "reason": reason, "involvedObject": {"uid": uid}}


@dataclass
class ListedEvents:
    """Stands in for the client: has events, counts how often they are listed."""

    events: list[JsonObject] = field(default_factory=list)
    lists: list[tuple[Resource, str | None, str | None]] = field(default_factory=list)
    refuse: Exception | None = None

    async def list(
        self, resource: Resource, namespace: str | None = None, *, field_selector: str | None = None
    ) -> ObjectList:
        self.lists.append((resource, namespace, field_selector))
        await asyncio.sleep(0)
        if self.refuse is not None:
            raise self.refuse
        return ObjectList(list(self.events), "1")


@pytest.fixture
def events() -> ListedEvents:
    return ListedEvents()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def gatherer(events: ListedEvents, clock: SettableClock) -> Gatherer:
    kube = cast(KubeClient, events)
    return Gatherer(kube, Cache(), 20, NamespaceEvents(kube, clock))


async def reasons(gatherer: Gatherer, *pods: str, namespace: str = "default") -> list[str]:
    """What is found for a task with these Pods."""
    facts = tuple(PodFacts(name=uid, uid=uid, created_at=NEVER) for uid in pods)
    found = await gatherer.gather((namespace, "task"), TaskSnapshot({}, None, facts), Need.EVENTS, Evidence())
    return [found_warning.reason for found_warning in found.warnings or ()]


async def test_a_task_gets_the_warnings_about_its_own_pods(events: ListedEvents, gatherer: Gatherer) -> None:
    events.events = [warning("a", "FailedMount"), warning("b", "FailedScheduling")]
    assert await reasons(gatherer, "a") == ["FailedMount"]
    assert await reasons(gatherer, "c") == []


async def test_hundreds_of_tasks_that_ask_at_once_cost_one_list(events: ListedEvents, gatherer: Gatherer) -> None:
    events.events = [warning(str(number), "FailedMount") for number in range(200)]
    found = await asyncio.gather(*(reasons(gatherer, str(number)) for number in range(200)))
    assert found == [["FailedMount"]] * 200
    assert events.lists == [(EVENTS, "default", "type=Warning")]


async def test_each_namespace_has_its_own(events: ListedEvents, gatherer: Gatherer) -> None:
    await reasons(gatherer, "a", namespace="one")
    await reasons(gatherer, "a", namespace="two")
    assert [namespace for _, namespace, _ in events.lists] == ["one", "two"]


async def test_the_list_is_never_older_than_a_moment(
    events: ListedEvents, gatherer: Gatherer, clock: SettableClock
) -> None:
    await reasons(gatherer, "a")
    events.events = [warning("a", "FailedMount")]
    clock.now += WARNINGS_SECONDS
    assert await reasons(gatherer, "a") == ["FailedMount"]
    assert WARNINGS_SECONDS < NOTABLE_SECONDS


async def test_what_an_autoscaler_does_for_the_pods_is_found_by_its_reasons(events: ListedEvents) -> None:
    kube = cast(KubeClient, events)
    gatherer = Gatherer(kube, Cache(), 20, NamespaceEvents(kube), scale_ups(kube))
    event = warning("a", "TriggeredScaleUp") | {"type": "Normal"}
    events.events = [event, event | {"involvedObject": {"uid": "b"}}]
    pods = (PodFacts(name="a", uid="a", created_at=NEVER),)
    found = await gatherer.gather(("default", "task"), TaskSnapshot({}, None, pods), Need.SCALE_UPS, Evidence())
    assert {each.reason for each in found.scale_ups or ()} == {"TriggeredScaleUp"}
    assert [selector for _, _, selector in events.lists] == ["reason=TriggeredScaleUp", "reason=Nominated"]


async def test_without_the_right_to_read_events_there_are_none(events: ListedEvents, gatherer: Gatherer) -> None:
    events.refuse = ForbiddenError(403, "Forbidden", "no")
    assert await reasons(gatherer, "a") == []


@pytest.mark.parametrize("name", [".", "..", "a/b", "a?b"])
async def test_a_template_whose_name_can_be_none_is_missing_and_nothing_else_is_read(
    gatherer: Gatherer, name: str
) -> None:
    """The double has no `get`: a path with such a name would be that of something else."""
    spec = {"templateRef": {"name": name}, "component": {"kind": "tool", "name": "t"}}
    item = {"metadata": {"name": "task", "namespace": "default", "uid": "u"}, "spec": spec}
    found = await gatherer.gather(("default", "task"), TaskSnapshot(item, None, ()), Need.TEMPLATE, Evidence())
    assert found.template is TemplateState.MISSING
