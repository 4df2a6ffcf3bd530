"""A picture as SVG on a page of its own, in the colours of the page that it is seen on: light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape

_PAGE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">
<style>
.page {{ fill: #ffffff; stroke: #d0d7de }}
{light}
@media (prefers-color-scheme: dark) {{
.page {{ fill: #0d1117; stroke: #30363d }}
{dark}
}}
</style>
<rect class="page" x="0.5" y="0.5" width="{inner_width:g}" height="{inner_height:g}" rx="8"/>
{body}
</svg>
"""


def svg_page(width: float, height: float, label: str, *, light: str, dark: str, body: Iterable[str]) -> str:
    """The picture, which needs no font or file besides.

    Args:
        width, height: in pixels.
        label: what it shows.
        light: rules of style, as they are on a light page.
        dark: those of them that differ on a dark one.
        body: its elements.
    """
    return _PAGE.format(
        width=width,
        height=height,
        inner_width=width - 1,
        inner_height=height - 1,
        label=escape(label, {'"': "&quot;"}),
        light=light,
        dark=dark,
        body="\n".join(body),
    )


def fills(colours: Mapping[str, str]) -> str:
    """The rules that give classes their colours."""
    return "\n".join(f".{name} {{ fill: {colour} }}" for name, colour in colours.items())
