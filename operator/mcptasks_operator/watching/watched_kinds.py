"""What the operator watches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mcptasks.kube.kinds import JOBS, MCP_TASK_TEMPLATES, MCP_TASKS, PODS, Resource
from mcptasks.model.base import LABEL_TASK


class WatchedKind(StrEnum):
    """The kinds that the operator watches."""

    TASK = "McpTask"
    TEMPLATE = "McpTaskTemplate"
    JOB = "Job"
    POD = "Pod"


@dataclass(frozen=True)
class WatchedResource:
    """How a kind is watched: `selector` is a label selector."""

    kind: WatchedKind
    resource: Resource
    selector: str | None = None


# Tasks come before what belongs to them: the last state of a Job or Pod is kept only if its task is known.
WATCHED = (
    WatchedResource(WatchedKind.TEMPLATE, MCP_TASK_TEMPLATES),
    WatchedResource(WatchedKind.TASK, MCP_TASKS),
    WatchedResource(WatchedKind.JOB, JOBS, LABEL_TASK),
    WatchedResource(WatchedKind.POD, PODS, LABEL_TASK),
)
