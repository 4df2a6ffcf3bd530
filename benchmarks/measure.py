"""What the benchmarks share: a client that keeps its connections, summaries, bursts, the machine."""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil

from mcptasks.model.base import JsonObject
from tests.support.mcp import RawClient

ADD = {"a": 1, "b": 2}
CLIENTS = 32


@dataclass(frozen=True)
class KeptClient(RawClient):
    """A raw client that keeps its connections, as real clients do: a new one costs more than a call."""

    timeout: float | httpx2.Timeout = 600
    http: httpx2.Client = field(
        default_factory=lambda: httpx2.Client(limits=httpx2.Limits(max_connections=256)), repr=False, compare=False
    )

    def add(self) -> JsonObject:
        """The trivial tool, inline."""
        return self.old("tools/call", {"name": "add", "arguments": ADD}).result

    def create_add(self, tool: str = "add") -> str:
        """The trivial tool as a task that can be read for an hour; its id."""
        return self.create(tool, ADD, ttl=3_600_000)


def say(text: str) -> None:
    """Tell whoever waits what is being measured."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


@contextmanager
def printed() -> Iterator[dict[str, object]]:
    """A report that is printed as JSON at the end, as far as it has come where the run is ended early."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report: dict[str, object] = {}
    try:
        yield report
    finally:
        json.dump(report, sys.stdout, indent=2)
        sys.stdout.write("\n")


def seconds(action: Callable[[], object]) -> float:
    """How long the action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def summary(samples: Iterable[float]) -> dict[str, float]:
    """Of seconds, in milliseconds: median, 99th percentile, extremes, and of how many samples."""
    ordered = sorted(1000 * sample for sample in samples)
    if not ordered:
        return {"samples": 0}
    return {
        "p50_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
        "min_ms": round(ordered[0], 1),
        "max_ms": round(ordered[-1], 1),
        "samples": len(ordered),
    }


def submit(client: KeptClient, tasks: int, tool: str = "add") -> list[str]:
    """All tasks at once, over `CLIENTS` connections; their ids."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(lambda _: client.create_add(tool), range(tasks)))


def machine() -> dict[str, object]:
    """What the numbers hold for. The load is that of before the run: anything but idle spoils them."""
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(os.getloadavg()[0], 1),
    }


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
