"""URLs as messages, logs and terminals may show them: without credentials."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def shown_url(url: str) -> str:
    """The URL without the user name and password that it may have; text that is no URL loses all before its `@`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    if not parts.netloc:
        return url.rpartition("@")[2]
    _, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)) if at else url
