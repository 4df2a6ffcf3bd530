"""Latency, throughput and cost on the embedded cluster: one JSON object on standard output.

    python benchmarks/embedded.py --tasks 200 --samples 30

`submit` is the time from a `tools/call` to its task id, `end_to_end` to the result of a trivial tool in a process of
its own, `inline` the same tool without a task, in the same run. Server, operator, API server and all tasks share the
machine's cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measure import CLIENTS, KeptClient, machine, printed, say, seconds, submit, summary  # noqa: E402
from mcptasks.dev.stack import LocalStack, StackConfig  # noqa: E402

TOOLS = ROOT / "tests" / "e2e" / "tools.py"
BURST_SECONDS = 1800


def latency(client: KeptClient, samples: int) -> dict[str, object]:
    """One call at a time."""
    submitted, end_to_end, inline = [], [], []
    for _ in range(samples):
        inline.append(seconds(client.add))
        start = time.perf_counter()
        task_id = client.create_add()
        submitted.append(time.perf_counter() - start)
        client.result(task_id)
        end_to_end.append(time.perf_counter() - start)
    return {"submit": summary(submitted), "end_to_end": summary(end_to_end), "inline": summary(inline)}


def burst(client: KeptClient, tasks: int) -> dict[str, object]:
    """All tasks at once."""
    start = time.perf_counter()
    made = submit(client, tasks)
    submitted = time.perf_counter() - start
    say(f"{tasks} tasks submitted in {submitted:.1f} s")
    with ThreadPoolExecutor(CLIENTS) as pool:
        ended = list(pool.map(lambda task_id: client.wait(task_id, seconds=BURST_SECONDS), made))
    done = time.perf_counter() - start
    return {
        "tasks": tasks,
        "completed": sum(task["status"] == "completed" for task in ended),
        "submit_seconds": round(submitted, 2),
        "seconds": round(done, 2),
        "tasks_per_second": round(tasks / done, 2),
    }


def cpu(stack: LocalStack) -> dict[str, float]:
    """CPU seconds so far of each component, of the cluster with this benchmark, and of the tasks' processes."""
    found = {name: sum(psutil.Process(stack.pid(name)).cpu_times()[:2]) for name in stack.names}
    own = psutil.Process().cpu_times()
    children = own.children_user + own.children_system
    return found | {"cluster_and_benchmark": own.user + own.system, "task_processes": children}


def cost(stack: LocalStack, before: dict[str, float], tasks: int) -> dict[str, object]:
    """CPU per task since `before`, and memory now."""
    after = cpu(stack)
    memory = {name: round(psutil.Process(stack.pid(name)).memory_info().rss / 2**20, 1) for name in stack.names}
    per_task = {name: round(1000 * (after[name] - before[name]) / tasks, 1) for name in after}
    return {"cpu_ms_per_task": per_task, "rss_mib": memory}


def run(arguments: argparse.Namespace, report: dict[str, object]) -> None:
    """Measure; the report fills as it goes."""
    report["machine"] = machine()
    with LocalStack(StackConfig(str(TOOLS))) as stack:
        client = KeptClient(stack.endpoint)
        client.result(client.create_add())
        say(f"{arguments.samples} calls, one at a time")
        report["latency"] = latency(client, arguments.samples)
        before = cpu(stack)
        say(f"{arguments.tasks} tasks at once")
        report["burst"] = burst(client, arguments.tasks)
        report["cost"] = cost(stack, before, arguments.tasks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200, help="tasks at once")
    parser.add_argument("--samples", type=int, default=30, help="calls for the latencies")
    arguments = parser.parse_args()
    with printed() as report:
        run(arguments, report)


if __name__ == "__main__":
    main()
