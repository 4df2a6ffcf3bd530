"""What a terminal would obey is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks.diagnostics.visible_text import has_controls, visible, visible_json, visible_line

OBEYED = [
    ("\x1b[31mred", "^[[31mred"),
    ("\x1b]0;title\x07", "^[]0;title^G"),
    ("\x1b]8;;http://evil.example\x1b\\link", "^[]8;;http://evil.example^[\\link"),
    ("10 %\r20 %", "10 %^M20 %"),
    ("a\x00b\x08c\x7f", "a^@b^Hc^?"),
    ("\x9b2J", "\\u009b2J"),
    ("user\u202egnp.exe", "user\\u202egnp.exe"),
    ("one\u2028two\x85three", "one\\u2028two\\u0085three"),
    ("half \ud800", "half \\ud800"),
]


@pytest.mark.parametrize(("text", "shown"), OBEYED)
def test_what_a_terminal_obeys_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert has_controls(text)


@pytest.mark.parametrize("text", ["", "plain", "grüße 東京 👩‍👩‍👧", "one\ttwo\nthree", "می‌خواهم"])
def test_text_is_left_alone(text: str) -> None:
    assert visible(text) == text
    assert not has_controls(text)


def test_a_line_stays_a_line() -> None:
    assert visible_line("one\ntwo\r\nthree") == "one\\ntwo^M\\nthree"


@given(st.text(st.characters(codec=None)))
def test_nothing_is_left_to_obey_and_all_streams_take_it(text: str) -> None:
    assert not has_controls(visible(text))
    assert "\n" not in visible_line(text)
    visible(text).encode()


@given(
    st.recursive(st.text(st.characters(codec=None)), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_json_means_the_same(value: object) -> None:
    text = visible_json(value)
    assert not has_controls(text)
    assert json.loads(text) == value
