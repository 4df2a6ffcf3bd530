"""What the tests of `helm test` share that call a tool."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcptasks.client import Client, ToolTask
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS

NAMESPACE = os.environ["NAMESPACE"]
TOOL = os.environ["TOOL"]


@asynccontextmanager
async def called(test: str) -> AsyncIterator[tuple[ToolTask, KubeClient]]:
    """The task of a call of the tool, and the cluster that it runs on. Exits where the call is not a task."""
    async with (
        Client(os.environ["ENDPOINT"] + os.environ["MCP_PATH"], token=os.environ.get("MCPTASKS_TOKEN")) as client,
        await ClusterAccess().connect("mcptasks-test") as kube,
    ):
        task = await client.call_tool(TOOL, json.loads(os.environ["ARGUMENTS"]), task=True)
        if task.returned_immediately:
            sys.exit(f"{TOOL} answered at once: name a tool that runs as a task in tests.{test}.tool")
        sys.stdout.write(f"task {task.task_id}\n")
        yield task, kube


async def expect_phase(kube: KubeClient, task: ToolTask, phase: str, found: str) -> None:
    """Exits with what was found, and the status of the McpTask, where its phase is another."""
    kept = await kube.get(MCP_TASKS, task.task_id, NAMESPACE)
    if kept["status"]["phase"] != phase:
        sys.exit(f"{found}, but its McpTask is {kept['status']}")
