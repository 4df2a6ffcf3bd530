"""A status is written only against the version that the change was made from."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import ConflictError, InvalidError, KubeError
from mcptasks.kube.task_objects import MAX_CONFLICTS, TaskClient, parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask

pytestmark = pytest.mark.anyio

CONFLICT = ConflictError(409, "Conflict", "changed")
INVALID = InvalidError(422, "Invalid", "ended")


def task(version: int, *, uid: str = "u", **status: Any) -> JsonObject:
    metadata = {"namespace": "ns", "name": "a", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"component": {"name": "t"}}, "status": status}


class TaskApiServer:
    """Has one task; refuses the first patches with the given errors."""

    def __init__(self, item: JsonObject, *refusals: KubeError) -> None:
        self.item = item
        self.refusals = list(refusals)
        self.patches: list[JsonObject] = []

    async def get(self, *_: Any) -> JsonObject:
        return self.item

    async def patch(self, _kind: Any, _name: str, body: JsonObject, *_: Any, **__: Any) -> JsonObject:
        self.patches.append(body)
        if self.refusals:
            raise self.refusals.pop(0)
        return self.item | {"status": body["status"]}


async def write(api: TaskApiServer, known: JsonObject) -> JsonObject:
    """Count attempts one up, unless the task has ended."""

    def change(task: McpTask) -> JsonObject | None:
        return None if task.terminal else {"status": {"attempts": (task.status.attempts or 0) + 1}}

    return await TaskClient(cast(KubeClient, api)).update_status(known, change)


async def test_a_change_names_the_version_that_it_was_made_from() -> None:
    api = TaskApiServer(task(3))
    await write(api, task(2))
    assert api.patches == [{"status": {"attempts": 1}, "metadata": {"uid": "u", "resourceVersion": "2"}}]


async def test_after_a_conflict_the_change_is_made_anew_from_what_is_there() -> None:
    api = TaskApiServer(task(3, attempts=7), CONFLICT)
    assert (await write(api, task(2)))["status"] == {"attempts": 8}
    assert [patch["metadata"]["resourceVersion"] for patch in api.patches] == ["2", "3"]


async def test_a_task_that_has_ended_meanwhile_is_given_as_it_is() -> None:
    api = TaskApiServer(task(3, phase="failed"), INVALID)
    assert (await write(api, task(2)))["status"] == {"phase": "failed"}


async def test_a_change_that_is_really_invalid_is_an_error() -> None:
    with pytest.raises(InvalidError):
        await write(TaskApiServer(task(3), INVALID), task(2))


async def test_another_task_of_the_same_name_is_left_alone() -> None:
    api = TaskApiServer(task(3, uid="another"), CONFLICT)
    with pytest.raises(ConflictError, match="replaced by another"):
        await write(api, task(2))
    assert len(api.patches) == 1


async def test_it_gives_up_where_others_keep_writing() -> None:
    api = TaskApiServer(task(3), *[CONFLICT] * MAX_CONFLICTS)
    with pytest.raises(ConflictError, match="too many others"):
        await write(api, task(2))


def test_an_object_that_does_not_fit_the_model_is_named() -> None:
    with pytest.raises(InvalidError, match="McpTask a does not fit the model"):
        parse_task(task(1) | {"spec": {}})
