"""URLs in messages have no credentials."""

from __future__ import annotations

import pytest

from mcptasks.network.shown_urls import shown_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8000/mcp", "http://127.0.0.1:8000/mcp"),
        ("http://me:secret@tools.example:8000/mcp?x=1", "http://tools.example:8000/mcp?x=1"),
        ("http://token@tools.example/mcp", "http://tools.example/mcp"),
        ("redis://:p@ss@[::1]:6379/0", "redis://[::1]:6379/0"),
        ("http://me:secret@[::1", "[::1"),
        ("no url", "no url"),
        ("alice:s3cret@tools.example:8000/mcp", "tools.example:8000/mcp"),
        ("user:p@ss@tools.example", "tools.example"),
    ],
)
def test_user_and_password_are_left_out(url: str, shown: str) -> None:
    assert shown_url(url) == shown
