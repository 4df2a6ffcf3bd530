"""The spans of a trace as an SVG: a bar for each below the one that it belongs to, in the colours of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.pictures.svg_page import fills, svg_page
from tests.support.otlp import ReceivedSpan

WIDTH, ROW, HEAD, MARGIN = 960, 26, 62, 16
NAME, INDENT = 320, 14
BAR_END = WIDTH - 90
"""In pixels; a name has so many, and bars go from there to `BAR_END`."""

NANOSECONDS = 1_000_000_000
TICKS = 6

SERVICES = {
    "mcptasks-client": ("client", "#6e7781", "#8b949e"),
    "mcptasks-server": ("server", "#0969da", "#58a6ff"),
    "mcptasks-operator": ("operator", "#8250df", "#bc8cff"),
    "mcptasks-task": ("task's Pod", "#1a7f37", "#3fb950"),
}
"""Name, and colour on a light and on a dark page."""

LIGHT = """text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #1f2328 }
.line { stroke: #d0d7de; stroke-width: 1 }
.dim { fill: #59636e }
.end { text-anchor: end }
.middle { text-anchor: middle }
"""
DARK = """text { fill: #e6edf3 }
.line { stroke: #30363d }
.dim { fill: #9198a1 }
"""


@dataclass(frozen=True)
class TraceRow:
    """A span, and how many others it is within."""

    span: ReceivedSpan
    depth: int


def trace_rows(spans: Sequence[ReceivedSpan], parent: str | None = None, depth: int = 0) -> Iterator[TraceRow]:
    """The spans in the order in which they began, each with those that belong to it right below."""
    ids = {span.id for span in spans}
    found = [span for span in spans if (span.parent == parent if parent else span.parent not in ids)]
    for span in sorted(found, key=lambda span: (span.start, span.end)):
        yield TraceRow(span, depth)
        yield from trace_rows(spans, span.id, depth + 1)


def trace_svg(spans: Sequence[ReceivedSpan], label: str) -> str:
    """The trace as a picture that needs no font or file besides; `label` says what it shows."""
    rows = list(trace_rows(spans))
    begin, end = min(span.start for span in spans), max(span.end for span in spans)
    height = HEAD + len(rows) * ROW + MARGIN
    seconds = (end - begin) / NANOSECONDS
    body = [*_legend(rows), *_ticks(seconds, height)]
    for at, row in enumerate(rows):
        body += _row(row, HEAD + at * ROW, begin, seconds)
    light, dark = (fills({service: colours[at] for service, (_, *colours) in SERVICES.items()}) for at in (0, 1))
    return svg_page(WIDTH, height, label, light=LIGHT + light, dark=DARK + dark, body=body)


def time_text(seconds: float) -> str:
    """A duration in milliseconds or seconds."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _legend(rows: Sequence[TraceRow]) -> list[str]:
    there = {row.span.service for row in rows}
    parts, x = [], MARGIN
    for service, (name, _, _) in SERVICES.items():
        if service in there:
            parts.append(f'<rect class="{service}" x="{x}" y="18" width="11" height="11" rx="2"/>')
            parts.append(f'<text x="{x + 16}" y="28">{escape(name)}</text>')
            x += 32 + 8 * len(name)
    return parts


def _ticks(seconds: float, height: int) -> list[str]:
    step = next(step for step in (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 600) if seconds / step <= TICKS)
    parts = []
    for number in range(int(seconds / step) + 1):
        x = _x(number * step, seconds)
        parts.append(f'<line class="line" x1="{x:.1f}" y1="{HEAD - 12}" x2="{x:.1f}" y2="{height - MARGIN}"/>')
        parts.append(f'<text class="dim middle" x="{x:.1f}" y="{HEAD - 18}">{number * step:g} s</text>')
    return parts


def _row(row: TraceRow, y: int, begin: int, seconds: float) -> list[str]:
    start, end = ((at - begin) / NANOSECONDS for at in (row.span.start, row.span.end))
    left, right = _x(start, seconds), _x(end, seconds)
    name = f'<text x="{MARGIN + row.depth * INDENT}" y="{y + 17}">{escape(row.span.name)}</text>'
    place = f'x="{left:.1f}" y="{y + 5}" width="{max(right - left, 2):.1f}" height="14" rx="2"'
    duration = f'<text class="dim end" x="{WIDTH - MARGIN}" y="{y + 17}">{time_text(end - start)}</text>'
    return [name, f'<rect class="{row.span.service}" {place}/>', duration]


def _x(at: float, seconds: float) -> float:
    return NAME + at / seconds * (BAR_END - NAME)
