"""What a web server's access log tells. Written for the tasks of FastMCP 4.

Run it with `python before.py 8000`.
"""

import asyncio
import re
import struct
import sys
import zlib
from collections import Counter
from datetime import timedelta
from pathlib import Path

from fastmcp import Context, FastMCP
from fastmcp.dependencies import Progress
from fastmcp.exceptions import ToolError
from fastmcp.utilities.tasks import TaskConfig
from fastmcp.utilities.types import Image
from fastmcp_tasks import TasksExtension
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from pydantic import BaseModel

mcp = FastMCP("access-log")
mcp.add_extension(TasksExtension())

LINE = re.compile(r'(?P<host>\S+) \S+ \S+ \[[^:]+:(?P<hour>\d\d)[^]]*\] "\S+ (?P<path>\S+)[^"]*" (?P<status>\d{3}) \d+')
CONFIRMATION = {"type": "object", "properties": {"overwrite": {"type": "boolean"}}, "required": ["overwrite"]}
required = TaskConfig(mode="required", poll_interval=timedelta(milliseconds=200))


class Summary(BaseModel):
    """An access log in numbers."""

    requests: int
    hosts: int
    errors: dict[str, int]
    busiest_hour: int
    top_paths: list[tuple[str, int]]


@mcp.tool(task=required)
async def summarise(log: str, progress: Progress = Progress()) -> Summary:
    """Count the requests of an access log."""
    lines = await asyncio.to_thread(parse, log)
    await progress.set_total(2)
    await progress.increment()
    await progress.set_message(f"counting {len(lines)} requests")
    hours = Counter(int(line["hour"]) for line in lines)
    return Summary(
        requests=len(lines),
        hosts=len({line["host"] for line in lines}),
        errors=dict(sorted(Counter(line["status"] for line in lines if line["status"] >= "400").items())),
        busiest_hour=min(hours, key=lambda hour: (-hours[hour], hour)),
        top_paths=Counter(line["path"] for line in lines).most_common(3),
    )


@mcp.tool(task=required)
async def chart(log: str) -> Image:
    """Draw the requests of each hour."""
    hours = Counter(int(line["hour"]) for line in await asyncio.to_thread(parse, log))
    picture = await asyncio.to_thread(bars, [hours[hour] for hour in range(24)])
    return Image(data=picture, format="png")


@mcp.tool(task=TaskConfig(mode="optional", poll_interval=timedelta(milliseconds=200)))
async def anonymise(log: str, ctx: Context) -> str | InputRequiredResult:
    """Replace the hosts in an access log by numbers, if the user says so."""
    if not ctx.input_responses:
        form = ElicitRequestFormParams(message=f"Overwrite {Path(log).name}?", requested_schema=CONFIRMATION)
        return InputRequiredResult(input_requests={"overwrite": ElicitRequest(params=form)})
    answer = ctx.input_responses["overwrite"]
    if not isinstance(answer, ElicitResult) or not (answer.content or {}).get("overwrite"):
        return "nothing was changed"
    return f"{await asyncio.to_thread(replace_hosts, log)} hosts replaced"


def replace_hosts(log: str) -> int:
    text = read(log)
    hosts = list(dict.fromkeys(line["host"] for line in LINE.finditer(text)))
    number_of = {host: f"host-{number}" for number, host in enumerate(hosts, 1)}
    Path(log).write_text(LINE.sub(lambda line: line[0].replace(line["host"], number_of[line["host"]], 1), text))
    return len(hosts)


def read(log: str) -> str:
    try:
        return Path(log).read_text()
    except OSError as error:
        raise ToolError(f"{log} cannot be read: {error.strerror}") from error


def parse(log: str) -> list[re.Match[str]]:
    lines = list(LINE.finditer(read(log)))
    if not lines:
        raise ToolError(f"{log} is not an access log")
    return lines


def bars(values: list[int], height: int = 48, width: int = 8) -> bytes:
    """A bar chart as a grey-scale PNG."""
    top = max(values)
    rows = [
        b"\0" + b"".join((b"\0" if value * height >= top * (height - row) else b"\xff") * width for value in values)
        for row in range(height)
    ]
    header = struct.pack(">IIBBBBB", len(values) * width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


if __name__ == "__main__":
    mcp.run(transport="http", port=int(sys.argv[1]))
