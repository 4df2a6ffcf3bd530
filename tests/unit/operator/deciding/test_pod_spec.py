"""A Pod template whose parts have the wrong types: the operator says so, and no task is left without a status."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks.settings import Settings
from mcptasks_operator.deciding.manifests import make_job
from mcptasks_operator.deciding.pod_spec import InvalidTemplateError
from mcptasks_operator.deciding.policy import policy_of
from tests.unit.operator.builders import make_task

WHOLE: JsonObject = {
    "metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}},
    "spec": {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 60,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "runner",
                "image": "tools:1",
                "command": ["mcptasks"],
                "args": ["run"],
                "env": [{"name": "A", "value": "b"}],
                "securityContext": {"runAsUser": 1000, "privileged": False, "capabilities": {"add": ["CHOWN"]}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "initContainers": [{"name": "first", "securityContext": {"capabilities": {"drop": ["ALL"]}}}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    },
}
WRONG: tuple[object, ...] = (7, 1.5, "text", True, None, [], [7], ["text"], [{}], {}, {"x": 7})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to all parts of a value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*path, key))


def with_part(path: tuple[Any, ...], part: object) -> JsonObject:
    changed = copy.deepcopy(WHOLE)
    parent: Any = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = part
    return changed


@pytest.mark.parametrize("path", list(places(WHOLE)), ids=lambda path: ".".join(map(str, path)))
def test_a_part_of_the_wrong_type_is_refused_or_left_to_the_api_server(path: tuple[Any, ...]) -> None:
    task = make_task()
    for wrong in WRONG:
        template = McpTaskTemplateSpec(pod_template=with_part(path, wrong))
        policy_of(task, template, Settings())
        with suppress(InvalidTemplateError):
            assert make_job(task, template, Settings())["kind"] == "Job"


def test_a_mount_path_that_is_a_number_is_named() -> None:
    template = McpTaskTemplateSpec(
        pod_template=with_part(("spec", "containers", 0, "volumeMounts", 0, "mountPath"), 1234)
    )
    with pytest.raises(InvalidTemplateError, match=r"mountPath of volumeMount data must be a text, not int \(1234\)"):
        make_job(make_task(), template, Settings())
