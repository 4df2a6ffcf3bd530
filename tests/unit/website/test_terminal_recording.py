"""A recording shows what a terminal would have shown, and when."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from website.terminal_recording import FRAME, Printed, Screen, framed, paced, recording, rows_shown

RED = "\x1b[31mfailed\x1b[0m"
UP = "\r\x1b[2K\x1b[1A\x1b[2K"


def text_of(screen: Screen) -> list[str]:
    return ["".join(cell.character for cell in row) for row in screen.rows()]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("10%\r\x1b[2K20%", ["20%"]),
        (f"first\r\nsecond{UP}1st\r\n2nd", ["1st", "2nd"]),
        ("much too long", ["much too l", "ong"]),
        (f"is {RED}\x1b[?25l", ["is failed"]),
    ],
)
def test_a_screen_shows_what_a_terminal_would(printed: str, shown: list[str]) -> None:
    screen = Screen(columns=10)
    screen.feed(printed)
    assert text_of(screen) == shown


def test_a_colour_ends_where_the_program_ends_it() -> None:
    screen = Screen()
    screen.feed(f"is {RED}.")
    assert [bool(cell.colour) for cell in screen.rows()[0]] == [False] * 3 + [True] * 6 + [False]


def test_pauses_are_cut_and_nothing_is_left_out() -> None:
    quick = list(paced([Printed(0.0, "a"), Printed(60.0, "b"), Printed(60.1, "c")]))
    assert [text for _, text in quick] == ["a", "b", "c"]
    assert 0 < quick[1].seconds < 1
    assert quick[1].seconds < quick[2].seconds


def test_what_comes_within_a_frame_is_shown_at_once() -> None:
    printed = [Printed(FRAME * number / 10, str(number)) for number in range(30)]
    frames = list(framed(printed))
    assert "".join(text for _, text in frames) == "".join(text for _, text in printed)
    assert len(frames) <= 4
    assert all(after.seconds - before.seconds >= FRAME * 0.99 for before, after in pairwise(frames))


def test_a_row_is_shown_until_it_changes_and_the_last_one_for_good() -> None:
    shown, heights = rows_shown([Printed(0.0, "10%"), Printed(1.0, "\r\x1b[2K20%\n")], Screen())
    assert [("".join(cell.character for cell in one.row), one.begin, one.end) for one in shown] == [
        ("10%", 0.0, 1.0),
        ("20%", 1.0, None),
    ]
    assert heights == [(0.0, 1), (1.0, 2)]


def test_the_picture_is_xml_whose_text_is_what_stays() -> None:
    picture = recording([Printed(0.1, "10% <b>"), Printed(3.0, "\r\x1b[2Kdone & dusted ━━━\r\n")], "make demo")
    root = ElementTree.fromstring(picture)
    space = "{http://www.w3.org/2000/svg}"
    stays = [
        "".join(group.itertext()) for group in root.iter(f"{space}g") if group.get("id") and group.get("class") != "h"
    ]
    assert stays == ["$ make demo", "done & dusted"]
    assert "<script" not in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
