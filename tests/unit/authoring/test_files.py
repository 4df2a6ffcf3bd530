"""Files as results: what the caller gets of them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from mcp_types import BlobResourceContents, TextResourceContents

from mcptasks import File


def test_text_is_text(tmp_path: Path) -> None:
    path = tmp_path / "größe 1.csv"
    path.write_text("a,b\n1,ü\n", encoding="utf-8")
    resource = File(path).resource
    assert isinstance(resource, TextResourceContents)
    assert (resource.mime_type, resource.text) == ("text/csv", "a,b\n1,ü\n")
    assert resource.uri == "file:///gr%C3%B6%C3%9Fe%201.csv", "nothing of the folder"


@pytest.mark.parametrize(
    ("file", "uri", "mime_type"),
    [
        (File(data=b"%PDF", format="pdf"), "file:///file.pdf", "application/pdf"),
        (File(data=b"\xff", name="a.txt"), "file:///a.txt", "text/plain"),
        (File(data=b"\x00", name="a.txt", format="png"), "file:///a.txt", "image/png"),
        (File(data=b""), "file:///file", "application/octet-stream"),
    ],
    ids=["pdf", "no UTF-8", "format", "nothing known"],
)
def test_all_else_is_bytes(file: File, uri: str, mime_type: str) -> None:
    resource = file.resource
    assert isinstance(resource, BlobResourceContents)
    assert (resource.uri, resource.mime_type) == (uri, mime_type)
    base64.b64decode(resource.blob, validate=True)


def test_a_file_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    file = File(path)
    path.unlink()
    assert isinstance(file.resource, TextResourceContents)


@pytest.mark.parametrize("arguments", [{}, {"path": "a", "data": b""}])
def test_either_a_path_or_data_is_needed(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="either a path or data"):
        File(**arguments)  # type: ignore[arg-type]
