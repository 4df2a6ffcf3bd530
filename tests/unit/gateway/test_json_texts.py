"""JSON texts of runners that nobody could be told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks.gateway.json_texts import has_half_characters, is_json


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        (r'"\ud800"', True),
        (r'"\udC00"', True),
        (r'"\uD83D\uDE00"', False),
        (r'"\uD83D\uD83D\uDE00"', True),
        (r'"\uD83D\uDE00\uDE00"', True),
        (r'"\uD83Dx\uDE00"', True),
        (r'"\\ud800"', False),
        (r'"\\\ud800"', True),
        (r'"\n\\\\ud800"', False),
        (r'{"\ud800": 1}', True),
        ("[1]", False),
    ],
)
def test_half_of_a_surrogate_pair_is_found_however_it_is_spelled(text: str, halves: bool) -> None:
    assert has_half_characters(text) is halves
    assert is_json(text) is not halves


@given(st.text(st.characters(codec=None)))
def test_exactly_those_texts_are_found_that_cannot_be_written_in_utf_8(value: str) -> None:
    text = json.dumps(value)
    try:
        json.loads(text).encode()
        encodable = True
    except UnicodeEncodeError:
        encodable = False
    assert has_half_characters(text) is not encodable


@pytest.mark.parametrize("text", ["", "no", "[" * 100_000, "[" * 5000 + "]" * 5000])
def test_what_cannot_be_read_is_none(text: str) -> None:
    assert not is_json(text)


def test_it_may_have_to_be_of_a_type() -> None:
    assert is_json("{}", dict)
    assert not is_json("[]", dict)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}'])
def test_numbers_that_only_python_reads_are_no_json(text: str) -> None:
    assert not is_json(text)
