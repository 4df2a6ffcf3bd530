"""The Pods of a task: which there are, how they fared, what they printed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from mcptasks.kube.api_client import KubeClient, LogOptions
from mcptasks.kube.errors import KubeError, NotFoundError
from mcptasks.kube.kinds import PODS
from mcptasks.model.base import LABEL_TASK, JsonObject, is_worker, runner_container
from mcptasks.model.task import McpTask
from mcptasks.model.task_lines import TaskLineReader
from mcptasks.model.task_template import Executor


@dataclass(frozen=True)
class Attempt:
    """One Pod of a task."""

    pod: JsonObject

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def container(self) -> str:
        """The container that runs the tool."""
        return str(runner_container(self.pod["spec"]["containers"])["name"])

    @property
    def is_worker(self) -> bool:
        """Whether the Pod is a worker's, which may have been given to the task's Job."""
        return is_worker(self.pod)

    @property
    def state(self) -> JsonObject:
        """State of the tool's container: `{"waiting": ...}`, `{"running": ...}`, `{"terminated": ...}` or nothing."""
        for status in self.pod.get("status", {}).get("containerStatuses") or ():
            if status["name"] == self.container:
                return dict(status.get("state") or {})
        return {}

    @property
    def started(self) -> bool:
        """Whether there can be a log."""
        return "running" in self.state or "terminated" in self.state

    @property
    def ended(self) -> bool:
        return "terminated" in self.state or self.pod.get("status", {}).get("phase") in ("Succeeded", "Failed")

    def outcome(self) -> str:
        """How the attempt stands, in a few words."""
        match self.state:
            case {"terminated": terminated}:
                signal = terminated.get("signal")
                how = f"signal {signal}" if signal else f"exit code {terminated.get('exitCode')}"
                return f"{terminated.get('reason', 'Terminated')} ({how})"
            case {"running": running}:
                return f"Running since {running.get('startedAt', 'now')}"
            case {"waiting": waiting}:
                return str(waiting.get("reason", "Waiting"))
            case _:
                return str(self.pod.get("status", {}).get("phase", "Unknown"))


async def attempts_of(kube: KubeClient, namespace: str, task: str) -> list[Attempt]:
    """The task's Pods, oldest first."""
    listed = await kube.list(PODS, namespace, label_selector=f"{LABEL_TASK}={task}")
    return [Attempt(pod) for pod in sorted(listed.items, key=_age)]


def _age(pod: JsonObject) -> tuple[str, str]:
    metadata = pod["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["name"]


async def log_of(
    kube: KubeClient, namespace: str, attempt: Attempt, *, follow: bool = False, tail: int | None = None
) -> AsyncGenerator[str]:
    """Lines that the tool's container printed; nothing where it never started or is gone."""
    options = LogOptions(container=attempt.container, follow=follow, tail_lines=tail)
    try:
        async with aclosing(kube.log_lines(attempt.name, namespace, options)) as lines:
            async for line in lines:
                yield line
    except NotFoundError:
        return
    except KubeError as error:
        # HTTP 400: the container has not started.
        if error.status != 400:
            raise


def runs_in_worker(task: McpTask) -> bool:
    """Whether a worker has the task, or had its last attempt: its Pod's log tells of other tasks too."""
    return task.status.executor == Executor.WARM.value and task.status.pod_name is not None


async def lines_in_worker(kube: KubeClient, namespace: str, task: str, attempt: int, pod: str) -> list[str]:
    """What the attempt has printed so far in a worker's Pod; nothing where that is gone."""
    return [line async for line in printed_in_worker(kube, namespace, task, attempt, pod)]


async def printed_in_worker(kube: KubeClient, namespace: str, task: str, attempt: int, pod: str) -> AsyncGenerator[str]:
    """The same, line by line as it is read."""
    try:
        found = Attempt(await kube.get(PODS, pod, namespace))
    except NotFoundError:
        return
    reader = TaskLineReader(task, attempt)
    async with aclosing(log_of(kube, namespace, found)) as lines:
        async for line in lines:
            if (text := reader.feed(line)) is not None:
                yield text
    if reader.rest():
        yield reader.rest()
