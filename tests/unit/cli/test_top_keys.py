"""What keys do in `mcptasks top`."""

from __future__ import annotations

import pytest

from mcptasks.cli.top_keys import TopKey, keys_of, view_after
from mcptasks.cli.top_rows import SortKey, TopView


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"q", [TopKey.QUIT]),
        (b"sre", [TopKey.SORT, TopKey.REVERSE, TopKey.ENDED]),
        (b"\x1b[A\x1b[B", [TopKey.UP, TopKey.DOWN]),
        (b"\x1bOA\x1b[5~\x1b[6~", [TopKey.UP, TopKey.PAGE_UP, TopKey.PAGE_DOWN]),
        (b"gG", [TopKey.HOME, TopKey.END]),
        (b"\x1b[1;5q", []),
        (b"\x1b\nx\xc3\xa4", []),
    ],
)
def test_keys_are_what_terminals_send_for_them(sent: bytes, keys: list[TopKey]) -> None:
    assert keys_of(sent) == keys


def test_a_new_order_begins_at_the_top() -> None:
    view = TopView(first=40)
    assert view_after(view, TopKey.SORT, page=10, count=100) == TopView(sort=SortKey.AGE)
    assert view_after(view, TopKey.REVERSE, page=10, count=100) == TopView(reverse=True)
    assert view_after(view, TopKey.ENDED, page=10, count=100) == TopView(ended=False)


@pytest.mark.parametrize(
    ("key", "first"),
    [
        (TopKey.UP, 39),
        (TopKey.DOWN, 41),
        (TopKey.PAGE_UP, 30),
        (TopKey.PAGE_DOWN, 50),
        (TopKey.HOME, 0),
        (TopKey.END, 90),
    ],
)
def test_arrows_scroll(key: TopKey, first: int) -> None:
    assert view_after(TopView(first=40), key, page=10, count=100).first == first


def test_nothing_scrolls_past_either_end() -> None:
    assert view_after(TopView(), TopKey.UP, page=10, count=100).first == 0
    assert view_after(TopView(first=90), TopKey.DOWN, page=10, count=100).first == 90
    assert view_after(TopView(), TopKey.DOWN, page=10, count=3).first == 0
