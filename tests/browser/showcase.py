"""What the pictures in the documentation show: two teams at work on one server, for as long as one likes.

The browser suite runs it for no longer than the picture of it takes; `make dashboard-pictures` for an hour, which is
what the dashboard's overview shows.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mcptasks.client import Elicitation, Reply, SyncClient
from mcptasks.client.call_results import ToolResult
from mcptasks.client.sync_client import SyncTask
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.model.base import JsonObject

TOOLS = Path(__file__).with_name("showcase_tools.py")
TEAMS = {"agents": "agents-0123456789abcdef", "vision": "vision-0123456789abcdef"}
PAUSE_SECONDS = 14.0
KEPT_SECONDS = 7200
"""Longer than the longest run."""

Call = tuple[str, str, JsonObject]
"""Who calls, the tool, the arguments."""


@dataclass(frozen=True)
class Showcase:
    """The product, with a client for each team."""

    stack: LocalStack
    clients: dict[str, SyncClient]

    def call(self, call: Call) -> SyncTask[ToolResult]:
        """Call a tool as that team; returns once there is a task."""
        team, tool, arguments = call
        return self.clients[team].call_tool(tool, arguments, task=True)

    def works(self, minutes: float, *, seed: int = 7) -> None:
        """Have the teams call tools for that long."""
        chance = random.Random(seed)
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            self.call(ordinary_call(chance))
            time.sleep(chance.uniform(0.3, 1.7) * PAUSE_SECONDS)

    def is_seen(self, seconds: float) -> str:
        """Have something of each kind on the list; returns the path of a task that runs for so many seconds."""
        unwanted = self.call(("vision", "render_video", {"clip": "harbour", "seconds": 60}))
        for call in ENDED:
            self.call(call).wait()
        unwanted.cancel()
        seen = self.call(("vision", "classify_images", {"model": "birds-v4", "images": 4000, "seconds": seconds}))
        for call in RUNNING:
            self.call(call)
        return f"/tasks/{self.stack.namespace}/{seen.task_id}"


ENDED: tuple[Call, ...] = (
    ("agents", "run_test_suite", {"branch": "fix/retry-after", "seconds": 2}),
    ("agents", "run_test_suite", {"branch": "feature/invoices", "failures": 3, "seconds": 2}),
    ("vision", "render_video", {"clip": "harbour", "memory": False, "seconds": 2}),
    ("agents", "backfill_orders", {"month": "2026-09", "seconds": 2}),
)

RUNNING: tuple[Call, ...] = (
    ("agents", "backfill_orders", {"month": "2026-10", "days": 31, "seconds": 100}),
    ("agents", "apply_plan", {"workspace": "staging"}),
    ("vision", "render_video", {"clip": "lighthouse", "frames": 1440, "seconds": 160}),
    ("agents", "run_test_suite", {"branch": "main", "seconds": 75}),
)


def ordinary_call(chance: random.Random) -> Call:
    """What somebody calls next."""
    kind = chance.random()
    seconds = chance.lognormvariate(2.6, 0.6)
    month = f"2026-{chance.randint(1, 10):02}"
    if kind < 0.35:
        arguments = {"model": "birds-v4", "images": chance.randint(4, 40) * 100, "seconds": seconds}
        return "vision", "classify_images", arguments
    if kind < 0.6:
        branch = chance.choice(["main", "fix/retry-after", "feature/invoices"])
        failures = chance.randint(1, 4) if chance.random() < 0.2 else 0
        return "agents", "run_test_suite", {"branch": branch, "failures": failures, "seconds": seconds}
    if kind < 0.85:
        return "agents", "backfill_orders", {"month": month, "seconds": seconds}
    clip = chance.choice(["harbour", "lighthouse", "dunes"])
    return "vision", "render_video", {"clip": clip, "seconds": 2 * seconds, "memory": chance.random() > 0.2}


def unanswered(question: Elicitation) -> Reply:
    """Nobody of the team is there: what asks goes on waiting, for somebody at the dashboard."""
    raise NotImplementedError(question.message)


@contextmanager
def showcase(folder: Path) -> Iterator[Showcase]:
    """The product with the tools of the pictures. The callers' tokens are written into the folder."""
    tokens = folder / "tokens"
    tokens.write_text("".join(f"{team}: {token}\n" for team, token in TEAMS.items()))
    settings = {"MCPTASKS_AUTH_TOKENS": str(tokens), "MCPTASKS_DEFAULT_TTL_SECONDS": str(KEPT_SECONDS)}
    with ExitStack() as stack:
        config = StackConfig(str(TOOLS), dashboard_port=0, warm=True, settings=settings)
        running = stack.enter_context(LocalStack(config))
        clients = {
            team: stack.enter_context(SyncClient(running.endpoint, token=token, on_elicitation=unanswered))
            for team, token in TEAMS.items()
        }
        yield Showcase(running, clients)
