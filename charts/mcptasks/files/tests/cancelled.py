"""`helm test`: a running task is cancelled, and its Pod is gone."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from tool_call import NAMESPACE, called, expect_phase

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import PODS


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
    async with called("cancelled") as (task, kube):
        await until(kube, task.task_id, lambda found: "Running" in found)
        cancelled_at = time.monotonic()
        await task.cancel()
        await until(kube, task.task_id, lambda found: not found)
        sys.stdout.write(f"its Pod was gone after {time.monotonic() - cancelled_at:.1f} s\n")
        await expect_phase(kube, task, "cancelled", "the task's Pod is gone")


asyncio.run(main())
