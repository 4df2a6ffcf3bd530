"""A server whose tools make spans of their own."""

from __future__ import annotations

import time

from opentelemetry import trace

from mcptasks import TaskServer

app = TaskServer("traced")
tracer = trace.get_tracer("author")


@app.tool(task=True)
def count(secret: str, seconds: float = 0) -> str:
    """Work for a while, within a span."""
    with tracer.start_as_current_span("author's work"):
        time.sleep(seconds)
    return f"counted for {secret}"


@app.tool(task=True)
async def count_later(secret: str) -> str:
    """The same, as a coroutine."""
    with tracer.start_as_current_span("author's work"):
        return f"counted for {secret}"


@app.tool(task=True)
def break_down(secret: str) -> str:
    """Fail, and say something that is nobody's business."""
    raise RuntimeError(f"no luck with {secret}")


@app.tool()
def inline(secret: str) -> str:
    """Run in the server."""
    with tracer.start_as_current_span("author's work"):
        return secret
