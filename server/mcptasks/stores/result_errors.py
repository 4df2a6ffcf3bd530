"""Why a result cannot be stored or read. Apart from the stores, so that runners need not import those."""

from __future__ import annotations

from mcptasks.settings import KIB, MIB


class ResultTooLargeError(Exception):
    """A result that no store takes. `size` and `limit` are bytes; `setting` is the environment variable to change."""

    def __init__(self, size: int, limit: int, setting: str, detail: str = "") -> None:
        self.size = size
        self.limit = limit
        self.setting = setting
        shown = (readable_size(size), readable_size(limit))
        size_text, limit_text = shown if shown[0] != shown[1] else (f"{size} bytes", f"{limit} bytes")
        super().__init__(
            f"the result is {size_text}, the limit is {limit_text}{detail}; "
            f"return less, or a reference to it, or raise the limit with {setting}"
        )


class ResultLostError(Exception):
    """A recorded result is not where it should be, or is not what was recorded."""


class ResultStoreUnavailableError(Exception):
    """The result store cannot be reached at the moment. The call can be repeated."""


def counted_twice(text: str) -> str:
    """What there is to know of the size of a result that has its value twice; empty for any other."""
    if '"structuredContent":' not in text:
        return ""
    return (
        " (of JSON, in which what the tool returns counts twice, as text and as structured content; "
        "structured_output=False in @mcp.tool leaves the latter out)"
    )


def readable_size(size: int) -> str:
    """A size in bytes for people, for example `3.2 MiB`."""
    if size < KIB:
        return f"{size} bytes"
    unit, name = (KIB, "KiB") if size < MIB else (MIB, "MiB")
    return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
