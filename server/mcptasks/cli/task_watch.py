"""Watches one task: its state now and after each change, until it is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator

from mcptasks.cli.cluster_session import ClusterSession
from mcptasks.kube.errors import GoneError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.task import McpTask


async def follow_task(cluster: ClusterSession, name: str) -> AsyncIterator[McpTask]:
    """The task as it is now, then after each change; ends when it is deleted. Raises CliError where there is none."""
    task = await cluster.task(name)
    yield task
    version = task.metadata.resource_version or "0"
    while True:
        try:
            async for event in cluster.kube.watch(
                MCP_TASKS, cluster.namespace, resource_version=version, field_selector=f"metadata.name={name}"
            ):
                version = event.object["metadata"]["resourceVersion"]
                if event.type == "DELETED":
                    return
                if event.type != "BOOKMARK":
                    yield parse_task(event.object)
        except GoneError:
            task = await cluster.task(name)
            yield task
            version = task.metadata.resource_version or "0"
