"""Video conversion, by a real ffmpeg."""

from __future__ import annotations

import base64
import re
import struct
import subprocess
from pathlib import Path

import psutil
import pytest

from mcptasks.client import CallProgress, Client, TaskCancelledError
from tests.examples.conftest import ServedExample
from tests.examples.gallery import check_page
from tests.support.polling import eventually

pytestmark = pytest.mark.anyio


def make_video(served: ServedExample, name: str, size: str, seconds: int) -> Path:
    """A test picture with a clock in it, and a tone."""
    path = served.media / name
    sources = [f"testsrc=duration={seconds}:size={size}:rate=10", f"sine=frequency=440:duration={seconds}"]
    inputs = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
    subprocess.run([served.ffmpeg, "-v", "error", "-y", *inputs, "-c:v", "mpeg4", str(path)], check=True)
    return path


def test_its_page_shows_what_is_printed(served: ServedExample, tmp_path: Path) -> None:
    check_page("media_conversion", served.url, tmp_path)


async def test_a_video_is_converted_with_progress(served: ServedExample) -> None:
    make_video(served, "short.mp4", "320x240", 8)
    reports: list[CallProgress] = []
    async with Client(served.url) as client:
        arguments = {"source": "short.mp4", "height": 480}
        task = await client.call_tool("convert", arguments, task=True, on_progress=reports.append)
        result = await task.result(timeout=120)
    assert not result.is_error, result.text
    assert (result.data["file"], result.data["seconds"]) == ("short-480p.mp4", 8.0)
    converted = served.media / "short-480p.mp4"
    assert converted.stat().st_size == result.data["bytes_after"]
    assert converted.read_bytes()[4:8] == b"ftyp"
    assert "s of short.mp4" in str(reports[-1].message)
    assert size_of(served, converted) == "320x240", "nothing is enlarged"


def size_of(served: ServedExample, video: Path) -> str:
    """Width and height of an H.264 video."""
    said = subprocess.run([served.ffmpeg, "-i", video], capture_output=True, text=True, check=False).stderr
    return str(re.findall(r"Video: h264.* (\d+x\d+)\b", said)[0])


async def test_a_file_that_is_there_stays_as_it_is(served: ServedExample) -> None:
    make_video(served, "kept.mp4", "64x48", 1)
    (served.media / "kept-360p.mp4").write_text("of somebody else")
    async with Client(served.url) as client:
        result = await client.call_tool("convert", {"source": "kept.mp4", "height": 360})
    assert "kept-360p.mp4 is there already" in result.text
    assert (served.media / "kept-360p.mp4").read_text() == "of somebody else"


async def test_a_contact_sheet_is_a_picture_of_the_whole(served: ServedExample) -> None:
    make_video(served, "sheet.mp4", "320x240", 8)
    async with Client(served.url) as client:
        result = await client.call_tool("contact_sheet", {"source": "sheet.mp4", "columns": 3, "rows": 2})
    picture = base64.b64decode(result.content[0]["data"])
    size = picture.index(b"\xff\xc0") + 5  # in the JPEG's start of frame
    assert struct.unpack(">HH", picture[size : size + 4]) == (2 * 180, 3 * 240)


async def test_a_cancel_ends_ffmpeg_and_leaves_no_half_a_file(served: ServedExample) -> None:
    video = make_video(served, "long.mp4", "64x48", 600)
    async with Client(served.url) as client:
        task = await client.call_tool("convert", {"source": "long.mp4", "height": 1080}, task=True)
        eventually("ffmpeg converts", lambda: bool(converting(video) and list(served.media.glob(".long*"))))
        await task.cancel()
        with pytest.raises(TaskCancelledError):
            await task.result(timeout=60)
    eventually("ffmpeg has ended", lambda: not converting(video))
    eventually("its file is gone", lambda: not list(served.media.glob(".long*")))
    assert not (served.media / "long-1080p.mp4").exists()


def converting(video: Path) -> list[int]:
    """Processes that have the file among their arguments."""
    found = psutil.process_iter(["cmdline"])
    return [process.pid for process in found if str(video.resolve()) in (process.info["cmdline"] or ())]


@pytest.mark.parametrize("source", ["missing.avi", "../zones.db", "/etc/passwd"])
async def test_files_that_are_not_in_the_folder_are_not_there(served: ServedExample, source: str) -> None:
    async with Client(served.url) as client:
        result = await client.call_tool("convert", {"source": source})
    assert result.is_error
    assert f"There is no file {source} in the media folder" in result.text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.txt", "no video"),
        ("concat.mp4", "ffconcat version 1.0\nfile inner.mp4\n"),
        ("stream.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\ninner.mp4\n#EXT-X-ENDLIST\n"),
    ],
)
@pytest.mark.parametrize("tool", ["convert", "contact_sheet"])
async def test_a_file_that_is_no_video_is_told_so(served: ServedExample, tool: str, name: str, text: str) -> None:
    """A playlist least of all: it would have ffmpeg read other files."""
    make_video(served, "inner.mp4", "64x48", 1)
    (served.media / name).write_text(text)
    async with Client(served.url) as client:
        result = await client.call_tool(tool, {"source": name})
    assert f"{name} is no video that ffmpeg can read" in result.text
