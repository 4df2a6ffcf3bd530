"""The tasks of calling Pods in the API server, whose failures become refusals."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError, unavailable
from mcptasks.kube.errors import ConflictError, KubeError, NotFoundError, UnavailableError
from mcptasks.kube.task_objects import StatusChange, TaskClient
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskRecords:
    """Reads and writes the tasks of Pods. `on_written` gets each task as it is after a write."""

    tasks: TaskClient
    on_written: Callable[[JsonObject], None]

    async def read(self, pod: TaskPod) -> JsonObject:
        """The task of the Pod's Job as it is now; whether it is the Pod's own is for whoever decides on it.

        Raises RefusedError where it is gone, KubeError.
        """
        try:
            return await self.tasks.get(pod.namespace, pod.task_name)
        except NotFoundError as error:
            message = f"task {pod.task_name} of Pod {pod.name} has been deleted"
            raise RefusedError(RefusalCode.TASK_GONE, message) from error

    async def write(self, item: JsonObject, change: StatusChange, *, parsed: McpTask | None = None) -> JsonObject:
        """The task after the change of its status; `parsed` is the same as `item`, where the caller has parsed it.

        Raises RefusedError where it is gone, KubeError.
        """
        try:
            written = await self.tasks.update_status(item, change, parsed=parsed)
        except NotFoundError as error:
            name = item["metadata"]["name"]
            raise RefusedError(RefusalCode.TASK_GONE, f"task {name} has been deleted") from error
        self.on_written(written)
        return written


@asynccontextmanager
async def cluster_failures_refused() -> AsyncIterator[None]:
    """Failures of the API server as a refusal that is worth trying again; the details stay in the gateway's log."""
    try:
        yield
    except (UnavailableError, ConflictError) as error:
        logger.warning("a runner has to wait: %s", error)
        raise unavailable("the Kubernetes API cannot be reached at the moment") from error
    except KubeError as error:
        logger.error("the Kubernetes API refuses the gateway: %s (%s %s)", error, error.status, error.reason)
        raise unavailable("the Kubernetes API refuses the gateway; see the gateway's log") from error
