"""Files of a result: their names come from a server, and nothing is overwritten."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mcptasks.authoring.files import File
from mcptasks.cli.command_errors import CliError
from mcptasks.cli.result_files import ResultPlace, file_of, is_file, safe_name
from mcptasks.client import ToolResult
from mcptasks.model.base import JsonObject
from mcptasks.model.exit_codes import ExitCode

PNG = {"type": "image", "data": base64.b64encode(b"picture").decode(), "mimeType": "image/png"}
WAV = {"type": "audio", "data": base64.b64encode(b"sound").decode(), "mimeType": "audio/mpeg; rate=1"}


def resource(uri: str, **content: str) -> JsonObject:
    return {"type": "resource", "resource": {"uri": uri, **content}}


def test_images_audio_and_files_are_kept_and_text_is_not(tmp_path: Path) -> None:
    csv = File(data=b"a,b", name="table.csv").model_dump(mode="json", by_alias=True, exclude_none=True)
    link = {"type": "resource_link", "uri": "file:///elsewhere.txt", "name": "elsewhere"}
    result = ToolResult({"content": [{"type": "text", "text": "here"}, PNG, WAV, csv, link]})
    paths = list(ResultPlace.made(tmp_path / "new" / "folder").save("plot", result.content))
    assert [path.name for path in paths] == ["plot-1.png", "plot-2.mp3", "table.csv"]
    assert [path.read_bytes() for path in paths] == [b"picture", b"sound", b"a,b"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder, result = ResultPlace.made(tmp_path), ToolResult({"content": [resource("file:///a.txt", text="x")] * 2})
    (tmp_path / "a.txt").write_text("mine")
    assert [path.name for path in folder.save("t", result.content)] == ["a-2.txt", "a-3.txt"]
    assert (tmp_path / "a.txt").read_text() == "mine"


def test_a_path_that_ends_as_files_do_is_one(tmp_path: Path) -> None:
    place = ResultPlace.made(tmp_path / "new" / "chart.png")
    assert [path.name for path in place.save("plot", [PNG])] == ["chart.png"]
    assert [path.name for path in place.save("plot", [PNG])] == ["chart-2.png"]
    assert (tmp_path / "new" / "chart.png").read_bytes() == b"picture"


def test_a_folder_whose_name_has_a_suffix_is_still_one(tmp_path: Path) -> None:
    (tmp_path / "v1.2").mkdir()
    assert [path.parent.name for path in ResultPlace.made(tmp_path / "v1.2").save("plot", [PNG])] == ["v1.2"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "elsewhere")
    result = ToolResult({"content": [resource("file:///a.txt", text="x")]})
    assert [path.name for path in ResultPlace.made(tmp_path).save("t", result.content)] == ["a-2.txt"]
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("plot.png", "plot.png"),
        ("Übersicht 2026.csv", "Übersicht 2026.csv"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (r"..\..\boot.ini", r"_.._boot.ini"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a\x00b\n\x1b[31m", "a_b__[31m"),
        ("exe.\u202egpj", "exe._gpj"),
        ("CON.txt", "file-CON.txt"),
        ("what?*.txt", "what__.txt"),
        ("end. . ", "end"),
    ],
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("name", ["ü" * 300 + ".png", "a" * 300, "a." + "b" * 300])
def test_long_names_are_cut_and_keep_their_end(name: str) -> None:
    assert 0 < len(safe_name(name).encode()) <= 120
    assert safe_name(name).endswith(".png") == name.endswith(".png")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///tmp/a%20b.txt", "a b.txt"),
        ("https://example.org/data.json?x=1#y", "data.json"),
        ("file:///a/b%2F..%2Fc", "b/../c"),
        ("urn:x", "x"),
        ("https://example.org/", "t-1.bin"),
        ("http://[broken", "t-1.bin"),
    ],
)
def test_a_file_is_named_after_its_uri(uri: str, name: str) -> None:
    named = file_of(resource(uri, blob="eA==", mimeType="application/octet-stream"), "t-1")
    assert named.name == name
    assert named.content == b"x"


@pytest.mark.parametrize("block", [{"type": "text", "text": "x"}, {"type": "resource"}, {"type": "resource_link"}])
def test_other_blocks_are_no_files(block: JsonObject) -> None:
    assert not is_file(block)


def test_broken_bytes_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="broken Base64"):
        list(ResultPlace(tmp_path).save("t", [{**PNG, "data": "x"}]))


def test_a_folder_that_cannot_be_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CliError, match="give a folder") as caught:
        ResultPlace.made(tmp_path / "file")
    assert caught.value.exit_code == ExitCode.USAGE
