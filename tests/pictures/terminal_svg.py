"""Lines of a terminal as an SVG, in the colours of the page that it is seen on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from tests.pictures.svg_page import fills, svg_page

CELL, LINE, FONT, MARGIN = 8.4, 19, 14, 16
"""In pixels."""

WORDS = re.compile(r"\S+(?: \S+)*")

LIGHT = {"text": "#1f2328", "cyan": "#0b7285", "magenta": "#8f2fb3", "green": "#1a7f37", "red": "#c4232e"}
DARK = {"text": "#e6edf3", "cyan": "#56d4dd", "magenta": "#d2a8ff", "green": "#56d364", "red": "#ff7b72"}

STYLE = f"""text {{ font: {FONT}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace }}
.bold {{ font-weight: bold }}
.dim {{ opacity: 0.65 }}
"""


def terminal_svg(lines: Sequence[Text], columns: int, label: str) -> str:
    """The lines as a picture that needs no font or file besides; `label` says what it shows."""
    width, height = columns * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    console = Console(width=columns, highlight=False)
    body = [run for at, line in enumerate(lines) for run in _runs(console.render_lines(line, pad=False)[0], at)]
    return svg_page(width, height, label, light=STYLE + fills(LIGHT), dark=fills(DARK), body=body)


def _runs(segments: Iterable[Segment], at: int) -> list[str]:
    """Words of one style, each at its place: no font has to be as wide as the cells, and no space has to be kept."""
    runs, cell, y = [], 0, MARGIN + at * LINE + FONT
    for segment in segments:
        for found in WORDS.finditer(segment.text):
            x = MARGIN + (cell + cell_len(segment.text[: found.start()])) * CELL
            size = f'textLength="{cell_len(found[0]) * CELL:g}"'
            runs.append(f'<text class="{_classes(segment.style)}" x="{x:g}" y="{y:g}" {size}>{escape(found[0])}</text>')
        cell += segment.cell_length
    return runs


def _classes(style: Style | None) -> str:
    if style is None:
        return "text"
    colour = "text" if style.color is None or style.color.is_default else style.color.name
    return " ".join([colour, *(["bold"] if style.bold else []), *(["dim"] if style.dim else [])])
