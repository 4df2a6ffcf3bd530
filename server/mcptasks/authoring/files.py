"""A file as a tool's result, beside the SDK's `Image` and `Audio`."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path
from urllib.parse import quote

from mcp_types import BlobResourceContents, EmbeddedResource, TextResourceContents

UNKNOWN_TYPE = "application/octet-stream"


class File(EmbeddedResource):
    """The content of a file, for functions to return; an MCP `EmbeddedResource`.

    Text (a `text/...` type, and UTF-8) goes out as text, all else as bytes. The caller learns the file's name, and
    nothing of where it was.

    Args:
        path: the file. It is read at once, so it may be a temporary one.
        data: its content, instead of a path.
        format: what its name would end with, such as `csv`, where name and path do not tell.
        name: the name that the caller sees; that of the path where None.

    Raises:
        ValueError: there is neither path nor data, or both.
        OSError: the file cannot be read.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        data: bytes | None = None,
        format: str | None = None,  # noqa: A002 - as the SDK's Image and Audio call it
        name: str | None = None,
    ) -> None:
        if (path is None) == (data is None):
            raise ValueError("File(...) takes either a path or data")
        content = Path(path).read_bytes() if path is not None else data or b""
        shown = name or (Path(path).name if path is not None else f"file.{format}" if format else "file")
        kind = _mime_type(shown if format is None else f"file.{format}")
        super().__init__(resource=_contents(f"file:///{quote(shown)}", kind, content))


def _mime_type(name: str) -> str:
    return mimetypes.guess_type(name, strict=False)[0] or UNKNOWN_TYPE


def _contents(uri: str, mime_type: str, content: bytes) -> TextResourceContents | BlobResourceContents:
    if mime_type.startswith("text/"):
        try:
            return TextResourceContents(uri=uri, mime_type=mime_type, text=content.decode())
        except UnicodeDecodeError:
            pass  # Some other encoding: the bytes are the truth.
    return BlobResourceContents(uri=uri, mime_type=mime_type, blob=base64.b64encode(content).decode())
