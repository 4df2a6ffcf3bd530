"""Jobs of the tests' task, and what is in them."""

from __future__ import annotations

from typing import Any

from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks.settings import Settings
from mcptasks_operator.deciding.manifests import make_job
from tests.unit.operator.builders import make_task

SETTINGS = Settings(
    runner_image="local/mcptasks:1", runner_command=["mcptasks", "run"], gateway_url="http://gateway:8001"
)


def job(pod: JsonObject | None = None, task: McpTask | None = None, **template: Any) -> JsonObject:
    spec = McpTaskTemplateSpec.model_validate({"podTemplate": pod, **template})
    return make_job(task or make_task(), spec, SETTINGS)


def pod_spec(pod: JsonObject | None = None, task: McpTask | None = None, **template: Any) -> JsonObject:
    spec: JsonObject = job(pod, task, **template)["spec"]["template"]["spec"]
    return spec


def runner(spec: JsonObject) -> JsonObject:
    found: JsonObject = next(c for c in spec["containers"] if c["name"] == "runner")
    return found


def env(container: JsonObject) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def with_runner(**fields: Any) -> JsonObject:
    return {"spec": {"containers": [{"name": "runner", **fields}]}}
