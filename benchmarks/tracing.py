"""What tracing costs while nobody has switched it on: CPU of its code beside that of the cheapest call, in JSON.

    python benchmarks/tracing.py --samples 20

`call` is a tool that runs inline, the client's and the server's side of it in one process, without a network. `tracing`
is what such a call and a log line of it do for the trace that is not there. The two take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import httpx2  # noqa: E402

from benchmarks.measure import machine, printed, say, summary  # noqa: E402
from mcptasks import TaskServer  # noqa: E402
from mcptasks.logs import TaskFilter  # noqa: E402
from mcptasks.tracing.call_spans import client_span  # noqa: E402
from mcptasks.tracing.trace_contexts import current_trace, inject, of_headers  # noqa: E402

CALLS = 100
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
BODY = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "add", "arguments": {"a": 1, "b": 2}},
}


def server() -> TaskServer[object]:
    app: TaskServer[object] = TaskServer("bench")

    @app.tool()
    def add(a: int, b: int) -> int:
        return a + b

    return app


async def calls(client: httpx2.AsyncClient) -> None:
    for _ in range(CALLS):
        response = await client.post("/mcp", json=BODY, headers={**HEADERS, "mcp-protocol-version": "2025-11-25"})
        if '"structuredContent"' not in response.text:
            raise SystemExit(f"this has failed: {response.text}")


async def traces() -> None:
    record, task_filter = logging.makeLogRecord({"msg": "hello"}), TaskFilter()
    for _ in range(CALLS):
        with client_span("tools/call", "add"):
            inject({})
        of_headers(HEADERS)
        current_trace()
        task_filter.filter(record)


async def cpu_of(work: Callable[[], Awaitable[None]]) -> float:
    """CPU seconds of one of the calls."""
    before = time.process_time()
    await work()
    return (time.process_time() - before) / CALLS


async def measure(samples: int) -> dict[str, list[float]]:
    app = server()
    endpoint = app.streamable_http_app(stateless_http=True)
    found: dict[str, list[float]] = {"call": [], "tracing": []}
    transport = httpx2.ASGITransport(endpoint)
    async with (
        app.session_manager.run(),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client,
    ):
        for number in range(samples + 1):
            say(f"{number} of {samples}")
            for side, work in (("call", lambda: calls(client)), ("tracing", traces)):
                cost = await cpu_of(work)
                # The first ones import and fill caches.
                if number:
                    found[side].append(cost)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20, help=f"times {CALLS} calls of each side")
    arguments = parser.parse_args()
    with printed() as report:
        found = asyncio.run(measure(arguments.samples))
        report |= {"machine": machine(), "unit": "CPU of one call"}
        sides = {side: summary(values) for side, values in found.items()}
        report |= sides
        report["share"] = sides["tracing"]["p50_ms"] / sides["call"]["p50_ms"]


if __name__ == "__main__":
    main()
