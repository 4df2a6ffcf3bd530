"""The picture of a terminal in the documentation."""

from __future__ import annotations

from xml.etree import ElementTree

from rich.text import Text

from tests.pictures.terminal_svg import CELL, MARGIN, terminal_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_words_stand_in_their_cells_in_their_colours() -> None:
    lines = [Text.assemble(("a <b>", "bold cyan"), "   ", ("c", "dim")), Text("報  d", "red")]
    picture = ElementTree.fromstring(terminal_svg(lines, 20, 'a "label"'))
    texts = [(each.text, each.get("class"), float(each.get("x", ""))) for each in picture.iter(f"{SVG}text")]
    assert texts == [
        ("a <b>", "cyan bold", MARGIN),
        ("c", "text dim", MARGIN + 8 * CELL),
        ("報", "red", MARGIN),
        ("d", "red", MARGIN + 4 * CELL),
    ]
    assert picture.get("aria-label") == 'a "label"'


def test_it_needs_nothing_from_elsewhere() -> None:
    text = terminal_svg([Text("a")], 20, "label")
    assert "url(" not in text
    assert text.count("http") == 1
