"""Tools as teams have them, for pictures of the dashboard. They take as long as they are told."""

from __future__ import annotations

import os
import time
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from mcptasks import TaskConfig, TaskServer, progress

mcp: TaskServer[Any] = TaskServer("research", tasks=True)


class Label(BaseModel):
    """What the model says of an image."""

    image: str
    label: str
    confidence: float


class Labels(BaseModel):
    """What the model says of all images."""

    model: str
    images: int
    samples: list[Label]


LABELS = ("heron", "kingfisher", "otter", "grey seal", "barn owl")


@mcp.tool()
def classify_images(model: str, images: int, seconds: float = 30.0) -> Labels:
    """Let a model say what is on images."""
    print(f"loading {model}", flush=True)
    batch = max(1, images // 40)
    for number in range(0, images, batch):
        progress(number, images, f"batch {number // batch + 1} of {-(-images // batch)}")
        print(f"images {number + 1} to {min(images, number + batch)}: {71 + number % 23} per second", flush=True)
        time.sleep(seconds * batch / images)
    samples = [
        Label(image=f"IMG_{1200 + 37 * n}.jpg", label=label, confidence=0.97 - n / 40) for n, label in enumerate(LABELS)
    ]
    return Labels(model=model, images=images, samples=samples)


@mcp.tool()
def backfill_orders(month: str, days: int = 30, seconds: float = 20.0) -> int:
    """Read a month's orders into the warehouse again."""
    for day in range(days):
        progress(day, days, f"{month}-{day + 1:02}")
        print(f"{month}-{day + 1:02}: {4100 + 173 * day % 900} orders", flush=True)
        time.sleep(seconds / days)
    return 4500 * days


@mcp.tool(task=TaskConfig(retries=1))
def render_video(clip: str, frames: int = 240, seconds: float = 25.0, memory: bool = True) -> str:
    """Render a clip."""
    for frame in range(0, frames, 8):
        progress(frame, frames, f"frame {frame}")
        time.sleep(8 * seconds / frames)
        if not memory and frame > frames / 3:
            print("cannot map 2147483648 bytes", flush=True)
            os._exit(3)
    return f"{clip}.mp4"


@mcp.tool()
def run_test_suite(branch: str, tests: int = 412, failures: int = 0, seconds: float = 15.0) -> str:
    """Run a branch's tests."""
    for test in range(0, tests, 12):
        progress(test, tests, f"{test} passed")
        time.sleep(12 * seconds / tests)
    if failures:
        raise ToolError(f"{failures} of {tests} tests failed on {branch}")
    return f"{tests} passed"


class Approval(BaseModel):
    """Whether the plan is carried out."""

    apply: bool = Field(description="Apply the plan?")
    note: str = Field(default="", description="What the log of changes says about it")


@mcp.tool(task=TaskConfig(input_timeout=3600))
async def apply_plan(workspace: str, ctx: Context[Any, Any]) -> str:
    """Make a plan, ask, and apply it."""
    answer = await ctx.elicit(f"{workspace}: 3 to add, 1 to change, 0 to destroy. Apply?", Approval)
    return "applied" if answer.action == "accept" and answer.data.apply else "left as it is"
