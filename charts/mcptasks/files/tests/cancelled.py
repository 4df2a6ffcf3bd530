"""`helm test`: a running task is cancelled, and its Pod is gone."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from mcptasks.client import Client
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.client import KubeClient
from mcptasks.kube.resources import MCP_TASKS, PODS

NAMESPACE = os.environ["NAMESPACE"]


async def phases(kube: KubeClient, task_id: str) -> list[str]:
    """The phases of the task's Pods."""
    pods = await kube.list(PODS, NAMESPACE, label_selector=f"mcptasks.dev/task={task_id}")
    return [pod["status"].get("phase", "") for pod in pods.items]


async def until(kube: KubeClient, task_id: str, enough: Callable[[list[str]], Any]) -> None:
    """Wait until the Pods are as they should be; the Pod's own deadline ends the wait."""
    while True:
        if enough(await phases(kube, task_id)):
            return
        await asyncio.sleep(0.2)


async def main() -> None:
    """Call the tool, cancel it, look for its Pod. Exits with what went wrong."""
    async with (
        Client(os.environ["ENDPOINT"] + os.environ["MCP_PATH"], token=os.environ.get("MCPTASKS_TOKEN")) as client,
        await ClusterAccess().connect("mcptasks-test") as kube,
    ):
        task = await client.call_tool(os.environ["TOOL"], json.loads(os.environ["ARGUMENTS"]), task=True)
        if task.returned_immediately:
            sys.exit(f"{os.environ['TOOL']} answered at once: name a tool that runs as a task in tests.cancelled.tool")
        sys.stdout.write(f"task {task.task_id}\n")
        await until(kube, task.task_id, lambda found: "Running" in found)
        cancelled_at = time.monotonic()
        await task.cancel()
        await until(kube, task.task_id, lambda found: not found)
        sys.stdout.write(f"its Pod was gone after {time.monotonic() - cancelled_at:.1f} s\n")
        kept = await kube.get(MCP_TASKS, task.task_id, NAMESPACE)
        if kept["status"]["phase"] != "cancelled":
            sys.exit(f"the task's Pod is gone, but its McpTask is {kept['status']}")


asyncio.run(main())
