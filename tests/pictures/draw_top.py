"""Draws docs/images/top.svg: `mcptasks top` while a real operator and real workers run tasks. For `make pictures`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mcptasks.cli.cluster_choice import ClusterChoice
from mcptasks.cli.cluster_session import ClusterSession
from mcptasks.cli.top_frame import FrameSize, TopFrame
from mcptasks.cli.top_rows import TopFacts, TopState, TopView, counts_of
from mcptasks.cli.top_source import TopSource
from mcptasks.cli.top_table import Glyphs
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS
from mcptasks.model import names
from mcptasks.model.base import API_VERSION
from tests.pictures.terminal_svg import terminal_svg

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "top.svg"
COLUMNS = 112
LABEL = "mcptasks top: counts by state, a pool of workers, and a table of tasks with bars of progress"
WARM = {"minWorkers": 4, "maxWorkers": 6, "concurrency": 1}
CALLS = (
    ("ada", "import_orders", {"file": "orders-2026-05.csv"}),
    ("lin", "render_report", {"pages": 3, "seconds": 0.5}),
    ("grace", "clean_up", {"folder": "/exports"}),
    ("ada", "transcribe", {"minutes": 54, "seconds": 2, "done": 20}),
    ("lin", "render_report", {"pages": 120, "seconds": 1, "done": 70}),
    ("grace", "render_report", {"pages": 48, "seconds": 3, "done": 3}),
    ("ada", "transcribe", {"minutes": 90, "seconds": 1, "done": 61}),
    ("lin", "transcribe", {"minutes": 30, "seconds": 1}),
    ("grace", "render_report", {"pages": 16, "seconds": 1}),
)
SHOWN = {TopState.ASKING: 1, TopState.RUNNING: 3, TopState.WAITING: 2, TopState.COMPLETED: 1, TopState.FAILED: 1}


async def call(kube: KubeClient, caller: str, tool: str, arguments: dict[str, object]) -> None:
    """Make a task, as the server makes one."""
    spec = {
        "component": {"name": tool},
        "arguments": arguments,
        "principal": {"subject": caller},
        "inputTimeoutSeconds": 3600,
        "request": {"protocolVersion": "2025-11-25", "clientCapabilities": {"elicitation": {}}},
    }
    metadata = {"name": names.task_name(tool)}
    task = {"apiVersion": API_VERSION, "kind": "McpTask", "metadata": metadata, "spec": spec}
    await kube.create(MCP_TASKS, task, "default")


async def moment(source: TopSource) -> TopFacts:
    """The facts, once there is something of everything to see."""
    while True:
        facts = await source.read()
        counts = counts_of(facts.rows)
        if all(counts[state] >= count for state, count in SHOWN.items()):
            await asyncio.sleep(6)
            return await source.read()
        await asyncio.sleep(0.5)


async def facts_of(stack: LocalStack) -> TopFacts:
    """Have tasks run on the stack, and look at them."""
    access = ClusterAccess(stack.kubeconfig)
    async with await access.connect("pictures") as kube:
        await kube.patch(MCP_TASK_TEMPLATES, "default", {"spec": {"warm": WARM}}, "default")
        for each in CALLS:
            await call(kube, *each)
        async with asyncio.timeout(120):
            return await moment(TopSource(ClusterSession(kube, "default", ClusterChoice(access))))


def main() -> None:
    """Draw the picture."""
    with LocalStack(StackConfig(str(Path(__file__).with_name("workshop_tools.py")), warm=True)) as stack:
        facts = asyncio.run(facts_of(stack))
    lines = TopFrame(FrameSize(COLUMNS, len(facts.rows) + 10), Glyphs(), live=True).lines(facts, TopView())
    PICTURE.write_text(terminal_svg(lines, COLUMNS, LABEL))


if __name__ == "__main__":
    main()
