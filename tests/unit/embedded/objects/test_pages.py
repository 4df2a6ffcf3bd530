"""Lists in pages."""

from __future__ import annotations

import base64

import pytest

from mcptasks_embedded.objects.pages import Continuation, decode_token, page_of
from mcptasks_embedded.store.changes import StoreEntry
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.references import PODS, Ref

ENTRIES = [StoreEntry(Ref(PODS, "ns", name), {}, 1) for name in ("a", "b", "c")]


def test_a_token_continues_after_the_last_entry() -> None:
    page = page_of(ENTRIES, 7, 2, counted=True)
    assert (page.entries, page.remaining) == (ENTRIES[:2], 1)
    assert decode_token(page.token) == Continuation(7, "ns", "b")


def test_the_last_page_has_no_token() -> None:
    page = page_of(ENTRIES, 7, 3, counted=True)
    assert (page.entries, page.token, page.remaining) == (ENTRIES, "", None)


def test_what_a_selector_leaves_is_not_counted() -> None:
    assert page_of(ENTRIES, 7, 2, counted=False).remaining is None


@pytest.mark.parametrize("token", ["x", "?", *(base64.b64encode(text).decode() for text in (b"1", b'["x",1,2]', b"{"))])
def test_what_is_not_a_token(token: str) -> None:
    with pytest.raises(ApiError) as refusal:
        decode_token(token)
    assert refusal.value.code == 400
