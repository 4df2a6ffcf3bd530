"""`helm test`: a call of a tool runs as a task, completes, and is there as a McpTask."""

import asyncio
import json
import os
import sys

from mcptasks.client import Client
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.resources import MCP_TASKS


async def main() -> None:
    """Call the tool. Exits with what went wrong."""
    async with (
        Client(os.environ["ENDPOINT"] + os.environ["MCP_PATH"], token=os.environ.get("MCPTASKS_TOKEN")) as client,
        await ClusterAccess().connect("mcptasks-test") as kube,
    ):
        task = await client.call_tool(os.environ["TOOL"], json.loads(os.environ["ARGUMENTS"]), task=True)
        if task.returned_immediately:
            sys.exit(f"{os.environ['TOOL']} answered at once: name a tool that runs as a task in tests.completes.tool")
        sys.stdout.write(f"task {task.task_id}\n")
        result = await task.result()
        if result.is_error:
            sys.exit(f"{os.environ['TOOL']} failed: {result.text}")
        kept = await kube.get(MCP_TASKS, task.task_id, os.environ["NAMESPACE"])
        if kept["status"]["phase"] != "completed":
            sys.exit(f"the task has a result, but its McpTask is {kept['status']}")
        sys.stdout.write("completed\n")


asyncio.run(main())
