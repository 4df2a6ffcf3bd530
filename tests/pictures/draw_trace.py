"""Draws docs/images/trace.svg: the spans of one call, as a collector got them of real processes (`make pictures`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mcptasks.dev.stack import LocalStack, StackConfig
from tests.pictures.trace_svg import trace_svg
from tests.support.otlp import Collector, ReceivedSpan, collecting
from tests.support.polling import eventually

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "trace.svg"
LABEL = (
    "One trace of a call: client, server, operator with queue, schedule, start and run, and the tool with its own spans"
)
ENDS = {"queue", "run", "execute_tool report", "render"}
"""Spans that come last, one way or the other."""


def called(stack: LocalStack, collector: Collector) -> list[ReceivedSpan]:
    """Call the tool on the command line; gives the spans of its trace."""
    command = [sys.executable, "-m", "mcptasks", "call", stack.endpoint, "report", "--arg", "top=5"]
    known = {span.trace for span in collector.spans}
    subprocess.run(command, env={**os.environ, **collector.variables}, check=True, timeout=120)

    def told() -> list[ReceivedSpan] | None:
        begun = {span.trace for span in collector.spans if span.service == "mcptasks-client"} - known
        spans = [span for trace in begun for span in collector.of(trace)]
        return spans if {span.name for span in spans} >= ENDS else None

    return eventually("the whole trace", told, 60)


def main() -> None:
    """Draw the picture."""
    with collecting() as collector:
        variables = collector.variables
        config = StackConfig(
            str(Path(__file__).with_name("traced_report.py")), settings=variables, tool_environment=variables
        )
        with LocalStack(config) as stack:
            # The first call finds files that have not been read yet.
            called(stack, collector)
            spans = called(stack, collector)
    PICTURE.write_text(trace_svg(spans, LABEL))


if __name__ == "__main__":
    main()
