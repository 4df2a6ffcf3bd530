"""`helm test`: a call of a tool runs as a task, completes, and is there as a McpTask."""

import asyncio
import sys

from tool_call import TOOL, called, expect_phase


async def main() -> None:
    """Call the tool. Exits with what went wrong."""
    async with called("completes") as (task, kube):
        result = await task.result()
        if result.is_error:
            sys.exit(f"{TOOL} failed: {result.text}")
        await expect_phase(kube, task, "completed", "the task has a result")
        sys.stdout.write("completed\n")


asyncio.run(main())
