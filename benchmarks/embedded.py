"""Latency and throughput on the embedded cluster: one JSON object on standard output.

    python benchmarks/embedded.py --tasks 200 --samples 30

`submit` is the time from a `tools/call` to its task id, `end_to_end` to the result of a trivial tool in a process of its
own, `inline` the same tool without a task, in the same run. The machine is this one: server, operator, API server and
all tasks share its cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mcptasks.local.stack import LocalStack, StackConfig  # noqa: E402
from tests.support.mcp import RawClient  # noqa: E402

TOOLS = ROOT / "tests" / "e2e" / "tools.py"
ARGUMENTS = {"a": 1, "b": 2}


def seconds(action: Callable[[], object]) -> float:
    """How long the action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def summary(samples: list[float]) -> dict[str, float]:
    """Milliseconds: median, 99th percentile, extremes."""
    ordered = sorted(1000 * sample for sample in samples)
    return {
        "p50_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
        "min_ms": round(ordered[0], 1),
        "max_ms": round(ordered[-1], 1),
    }


def latency(client: RawClient, samples: int) -> dict[str, object]:
    """One call at a time."""
    submit, end_to_end, inline = [], [], []
    for _ in range(samples):
        inline.append(seconds(lambda: client.old("tools/call", {"name": "add", "arguments": ARGUMENTS}).result))
        start = time.perf_counter()
        task_id = client.create("add", ARGUMENTS, ttl=600_000)
        submit.append(time.perf_counter() - start)
        client.result(task_id)
        end_to_end.append(time.perf_counter() - start)
    return {"submit": summary(submit), "end_to_end": summary(end_to_end), "inline": summary(inline)}


def burst(client: RawClient, tasks: int) -> dict[str, object]:
    """All tasks at once."""
    with ThreadPoolExecutor(32) as pool:
        start = time.perf_counter()
        made = list(pool.map(lambda n: client.create("add", {"a": n, "b": 1}, ttl=3_600_000), range(tasks)))
        submitted = time.perf_counter() - start
        ended = list(pool.map(lambda task_id: client.wait(task_id, seconds=900), made))
        done = time.perf_counter() - start
    return {
        "tasks": tasks,
        "completed": sum(task["status"] == "completed" for task in ended),
        "submit_seconds": round(submitted, 2),
        "seconds": round(done, 2),
        "tasks_per_second": round(tasks / done, 2),
    }


def cost(stack: LocalStack, tasks: int, before: dict[str, float]) -> dict[str, object]:
    """CPU per task since `before`, and memory now, of each component."""
    after = cpu(stack)
    return {
        name: {
            "cpu_ms_per_task": round(1000 * (after[name] - before[name]) / tasks, 1),
            "rss_mib": round(psutil.Process(stack.pid(name)).memory_info().rss / 2**20, 1),
        }
        for name in stack.names
    }


def cpu(stack: LocalStack) -> dict[str, float]:
    """CPU seconds of each component so far."""
    return {name: sum(psutil.Process(stack.pid(name)).cpu_times()[:2]) for name in stack.names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200, help="tasks at once")
    parser.add_argument("--samples", type=int, default=30, help="calls for the latencies")
    arguments = parser.parse_args()
    with LocalStack(StackConfig(str(TOOLS))) as stack:
        client = RawClient(stack.endpoint, timeout=300)
        client.result(client.create("add", ARGUMENTS))
        report: dict[str, object] = {
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
            "latency": latency(client, arguments.samples),
        }
        before = cpu(stack)
        report["burst"] = burst(client, arguments.tasks)
        report["cost"] = cost(stack, arguments.tasks, before)
    json.dump(report, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
