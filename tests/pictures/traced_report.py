"""The tool of the picture of a trace, which makes spans of its own."""

import time

from opentelemetry import trace

from mcptasks import TaskServer

mcp = TaskServer("reports")
tracer = trace.get_tracer("reports")


@mcp.tool(task=True)
def report(top: int = 10) -> str:
    """Report the top customers."""
    with tracer.start_as_current_span("SELECT orders"):
        time.sleep(0.9)
    with tracer.start_as_current_span("render"):
        time.sleep(0.4)
    return f"the top {top}"
