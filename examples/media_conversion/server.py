"""Video conversion with ffmpeg, which the image has: real progress, and a cancel that leaves no half a file.

Files are in a folder that the server and the tasks share, on a cluster a volume. README.md says how to run it here and
in a cluster.
"""

import os
import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.utilities.types import Image
from pydantic import BaseModel, Field

from mcptasks import TaskConfig, TaskServer, progress

mcp = TaskServer("media", tasks=TaskConfig(template="media", without_tasks="wait", timeout=4 * 3600))

MEDIA = Path(os.environ.get("MEDIA", "/media"))
FFMPEG = os.environ.get("FFMPEG", "ffmpeg")
READ_ONLY_VIDEO = ["-protocol_whitelist", "file", "-format_whitelist", "mov,matroska,avi,mpegts,mpeg,flv,ogg"]
"""ffmpeg looks into a file to know what it is: a playlist with the name of a video would have it read other files."""
KEPT_LINES = 5

Source = Annotated[str, Field(description="A file of the media folder, such as talks/opening.mov.")]


class Converted(BaseModel):
    """The new file, beside the old one."""

    file: str
    seconds: float
    bytes_before: int
    bytes_after: int


@mcp.tool()
def convert(source: Source, height: Literal[360, 480, 720, 1080] = 720) -> Converted:
    """Make an MP4 of a video that every browser plays (H.264, AAC), at most this high."""
    video = existing(source)
    seconds = duration(video)
    target = video.with_name(f"{video.stem}-{height}p.mp4")
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"]

    def tell(done: float) -> None:
        progress(min(done, seconds), seconds, f"{done:.0f} of {seconds:.0f} s of {video.name}")

    with all_or_nothing(target) as unfinished:
        ffmpeg([*reading(video), "-vf", f"scale=-2:'2*trunc(min({height},ih)/2)'", *coding, str(unfinished)], tell)
    return Converted(
        file=str(target.relative_to(MEDIA.resolve())),
        seconds=seconds,
        bytes_before=video.stat().st_size,
        bytes_after=target.stat().st_size,
    )


@mcp.tool()
def contact_sheet(
    source: Source,
    columns: Annotated[int, Field(ge=1, le=8)] = 4,
    rows: Annotated[int, Field(ge=1, le=8)] = 3,
) -> Image:
    """Pictures from the whole of a video in one, to see what is in it."""
    video = existing(source)
    rate = columns * rows / duration(video)
    size = "240:240:force_original_aspect_ratio=decrease:force_divisible_by=2"
    tiles = f"fps={rate:.6f},scale={size},tile={columns}x{rows}"
    # A JPEG of the largest sheet has less than the 1 MiB that a result may have without Redis.
    jpeg = ["-frames:v", "1", "-f", "image2pipe", "-c:v", "mjpeg", "-q:v", "4", "pipe:1"]
    command = [FFMPEG, "-nostdin", "-v", "error", *reading(video), "-vf", tiles, *jpeg]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise ToolError(done.stderr.decode(errors="replace").strip())
    return Image(data=done.stdout, format="jpeg")


def existing(source: str) -> Path:
    """The file's path. Raises ToolError for what is not in the folder, links out of it included."""
    path = (MEDIA / source).resolve()
    if not path.is_relative_to(MEDIA.resolve()) or not path.is_file():
        raise ToolError(f"There is no file {source} in the media folder")
    return path


def reading(video: Path) -> list[str]:
    """The arguments with which ffmpeg reads this file and no other."""
    return [*READ_ONLY_VIDEO, "-i", str(video)]


def duration(video: Path) -> float:
    """Seconds, more than 0. Raises ToolError for what has no length: a file that is no video."""
    # Without an output ffmpeg says what it knows of the input, and fails.
    command = [FFMPEG, "-hide_banner", "-nostdin", *reading(video)]
    told = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", told.stderr)
    if found is None or "Video:" not in told.stderr:
        raise ToolError(f"{video.name} is no video that ffmpeg can read")
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
    if not seconds:
        raise ToolError(f"{video.name} has no length")
    return seconds


@contextmanager
def all_or_nothing(target: Path) -> Iterator[Path]:
    """A file to write that becomes the target when all went well, and is gone when not: after a cancel, too.

    Raises:
        ToolError: the target is there already.
    """
    if target.exists():
        raise ToolError(f"{target.name} is there already")
    # Two calls at once have two files.
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.stem}.", suffix=target.suffix, delete=False
    ) as file:
        unfinished = Path(file.name)
        try:
            yield unfinished
            os.fsync(file.fileno())
            unfinished.chmod(0o644)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


def ffmpeg(arguments: Sequence[str], tell: Callable[[float], None]) -> None:
    """Run it, and tell how many seconds of the output are done. What it says otherwise is in the task's log.

    Raises:
        ToolError: it failed; the message has its last lines.
    """
    command = [FFMPEG, "-hide_banner", "-nostdin", "-v", "warning", "-y", "-progress", "pipe:1", "-nostats", *arguments]
    last: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if done := re.fullmatch(r"out_time_us=(\d+)\n", line):
                    tell(int(done[1]) / 1_000_000)
                elif not re.fullmatch(r"\w+=.*\n", line):
                    print(line, end="", flush=True)
                    last.append(line)
        except BaseException:
            # The task is cancelled.
            process.kill()
            raise
    if process.returncode:
        raise ToolError("".join(last).strip() or f"ffmpeg ended with exit code {process.returncode}")
