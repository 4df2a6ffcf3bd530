"""The template of tasks that name none, on one machine: plain processes of this interpreter."""

from __future__ import annotations

from mcptasks.model.base import API_VERSION, GROUP, JsonObject
from mcptasks.model.task import DEFAULT_TEMPLATE
from mcptasks.model.task_template import Executor, WarmPool
from mcptasks.settings import PREFIX

GRACE_SECONDS = 10

POOL = WarmPool(min_workers=1, max_workers=3, tasks_per_worker=0, concurrency=4)
"""A call takes milliseconds, and a few at a time need one worker only."""

ANNOTATION_CODE = f"{GROUP}/code"
"""Of workers' Pods: the digest of the code that they are made for. Another one has other workers made."""


def job_template() -> JsonObject:
    """A Pod for each task."""
    runner = {"name": "runner", "image": "local", "env": [{"name": "PYTHONUNBUFFERED", "value": "1"}]}
    return {
        "apiVersion": API_VERSION,
        "kind": "McpTaskTemplate",
        "metadata": {"name": DEFAULT_TEMPLATE},
        "spec": {
            "podTemplate": {"spec": {"terminationGracePeriodSeconds": GRACE_SECONDS, "containers": [runner]}},
        },
    }


def warm_template(module: str) -> JsonObject:
    """Workers that have loaded the module: a process of its own for each task, in a Pod that they share."""
    template = job_template()
    template["spec"] |= {"executor": Executor.WARM.value, "warm": POOL.dump()}
    (runner,) = template["spec"]["podTemplate"]["spec"]["containers"]
    runner["env"].append({"name": f"{PREFIX}MODULE", "value": module})
    return template


def named(template: JsonObject, name: str) -> JsonObject:
    """A copy of the template under another name."""
    return {**template, "metadata": {**template["metadata"], "name": name}}


def executor_patch(executor: Executor) -> JsonObject:
    """The merge patch after which tasks of the warm template are run in this way."""
    return {"spec": {"executor": executor.value, "warm": POOL.dump() if executor is Executor.WARM else None}}


def new_code_patch(digest: str) -> JsonObject:
    """The merge patch of the warm template that has workers made which load today's code."""
    return {"spec": {"podTemplate": {"metadata": {"annotations": {ANNOTATION_CODE: digest}}}}}
