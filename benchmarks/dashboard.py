"""What the dashboard takes with thousands of tasks and hundreds of open pages: one JSON object on standard output.

    python benchmarks/dashboard.py --tasks 10000 --pages 300

The real process against an embedded cluster. `first_page` is the list with nothing in any browser's cache; `visible`
is how long a change takes from its write to the stream of a page; `pages` is what that many open streams add to the
process's memory, half of them of lists and half of a task. A table of the same is on standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from statistics import median

import httpx2
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measure import machine, printed, say, summary  # noqa: E402
from benchmarks.process_usage import private_mib, processes, with_descendants  # noqa: E402
from mcptasks.dev.stack import DASHBOARD, LocalStack, StackConfig  # noqa: E402
from mcptasks.model.base import JsonObject  # noqa: E402
from mcptasks.model.lifecycle import timestamp, utc_now  # noqa: E402
from mcptasks_embedded.objects.options import Patch, WriteOptions  # noqa: E402

NAMESPACE = "default"
PHASES = ("completed", "completed", "completed", "failed", "working")
SAMPLES = 20
HEADERS = {"accept": "text/html"}


def task(number: int) -> JsonObject:
    return {
        "apiVersion": "mcptasks.dev/v1alpha1",
        "kind": "McpTask",
        "metadata": {"name": f"task-{number:05}"},
        "spec": {
            "component": {"name": f"tool-{number % 20}"},
            "arguments": {"text": "x" * 500},
            "principal": {"subject": f"caller-{number % 50}"},
        },
    }


def status(number: int, **more: object) -> JsonObject:
    phase, now = PHASES[number % len(PHASES)], timestamp(utc_now())
    ended = {} if phase == "working" else {"finishedAt": now}
    progress = {"current": number % 100, "total": 100, "message": "reading page 3 of 9"}
    return {"status": {"phase": phase, "reason": "Running", "startedAt": now, "progress": progress, **ended, **more}}


class Filled:
    """A cluster with that many tasks, and nothing that acts on them."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._objects = stack.cluster.cluster.objects
        self._kind = self._objects.kind("mcptasks.dev/v1alpha1", "McpTask")

    def add(self, number: int) -> None:
        def create() -> None:
            made = self._objects.create(self._kind, NAMESPACE, task(number))
            del made
            self.write(number, inside=True)

        self._stack.cluster.call(create)

    def write(self, number: int, *, inside: bool = False, **more: object) -> None:
        def patch() -> None:
            entry = self._objects.get(self._kind, NAMESPACE, f"task-{number:05}")
            self._objects.patch(self._kind, entry.ref, Patch("merge", status(number, **more)), "status", WriteOptions())

        if inside:
            patch()
        else:
            self._stack.cluster.call(patch)


async def first_page(client: httpx2.AsyncClient, path: str) -> JsonObject:
    seconds = []
    for _ in range(SAMPLES):
        start = time.perf_counter()
        answer = await client.get(path, headers={**HEADERS, "accept-encoding": "identity"})
        seconds.append(time.perf_counter() - start)
        assert answer.status_code == 200, answer.text
    zipped = await client.get(path, headers={**HEADERS, "accept-encoding": "gzip"})
    return {
        "seconds": summary(seconds),
        "bytes": len(answer.content),
        "bytes_gzip": int(zipped.headers.get("content-length", 0)),
    }


async def visible(client: httpx2.AsyncClient, filled: Filled) -> JsonObject:
    """Seconds from the write of a message to the stream of the list."""
    seconds = []
    async with client.stream("GET", "/tasks/live?q=task-00004", timeout=None) as stream:
        lines = stream.aiter_lines()
        for sample in range(SAMPLES):
            mark = f"mark-{sample}-{time.time_ns()}"
            await asyncio.sleep(0.7)
            start = time.perf_counter()
            await asyncio.to_thread(filled.write, 4, progress={"current": sample, "total": 100, "message": mark})
            async for line in lines:
                if mark in line:
                    break
            seconds.append(time.perf_counter() - start)
    return {"seconds": summary(seconds), "p100": max(seconds), "p50": median(seconds)}


async def open_pages(client: httpx2.AsyncClient, process: psutil.Process, pages: int) -> JsonObject:
    before = private_mib([process])
    streams = []
    for number in range(pages):
        path = f"/tasks/live?q=tool-{number % 20}" if number % 2 else f"/tasks/{NAMESPACE}/task-{number:05}/live"
        context = client.stream("GET", path, timeout=None)
        stream = await context.__aenter__()
        assert stream.status_code == 200
        streams.append((context, asyncio.create_task(drain(stream))))
    await asyncio.sleep(15)
    after, cpu = private_mib([process]), process.cpu_percent()
    await asyncio.sleep(10)
    cpu = process.cpu_percent()
    for context, reading in streams:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await context.__aexit__(None, None, None)
    return {
        "pages": pages,
        "mib_before": before,
        "mib_with_pages": after,
        "mib_added": after - before,
        "cpu_percent_idle": cpu,
    }


def rows(report: JsonObject) -> list[str]:
    """What was measured, beside what it should be."""
    first, opened = report["first_page"], report["open"]
    return [
        f"first page, p50         {first['seconds']['p50_ms']:8.0f} ms    below 200",
        f"its bytes, compressed   {first['bytes_gzip'] / 1000:8.1f} kB    below 100",
        f"a change visible, p99   {report['visible']['seconds']['p99_ms']:8.0f} ms    below 1000",
        f"{opened['pages']:4} open pages         {opened['mib_added']:8.0f} MiB   below 150",
    ]


async def drain(stream: httpx2.Response) -> None:
    async for _ in stream.aiter_bytes():
        pass


async def measure(report: JsonObject, stack: LocalStack, filled: Filled, pages: int) -> None:
    process = psutil.Process(stack.pid(DASHBOARD))
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(
        base_url=str(stack.dashboard_url), trust_env=False, limits=limits, timeout=60
    ) as client:
        report["mib_with_tasks"] = private_mib(processes(with_descendants(process.pid)))
        say("first page")
        report["first_page"] = await first_page(client, "/tasks")
        report["sorted_page"] = await first_page(client, "/tasks?sort=duration&q=page&page=3")
        report["overview"] = await first_page(client, "/overview")
        say("visible")
        report["visible"] = await visible(client, filled)
        say("open pages")
        report["open"] = await open_pages(client, process, pages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000, help="tasks in the cluster")
    parser.add_argument("--pages", type=int, default=300, help="pages that are open at the same time")
    arguments = parser.parse_args()
    stack = LocalStack(StackConfig(str(ROOT / "tests/e2e/tools.py"), dashboard_port=0))
    with printed() as report:
        report |= {"machine": machine(), "tasks": arguments.tasks}
        stack.open(start=False)
        try:
            filled = Filled(stack)
            for number in range(arguments.tasks):
                filled.add(number)
            say(f"{arguments.tasks} tasks are there")
            start = time.perf_counter()
            stack.start(DASHBOARD)
            report["ready_seconds"] = time.perf_counter() - start
            asyncio.run(measure(report, stack, filled, arguments.pages))
            for row in rows(report):
                say(row)
        finally:
            stack.close()


if __name__ == "__main__":
    main()
