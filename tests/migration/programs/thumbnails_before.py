"""Small pictures of large ones. For FastMCP 4."""

import asyncio
import struct
import zlib

from fastmcp import FastMCP
from fastmcp.dependencies import Progress
from fastmcp.utilities.tasks import TaskConfig
from fastmcp.utilities.types import Image
from fastmcp_tasks import TasksExtension

mcp = FastMCP("thumbnails")
mcp.add_extension(TasksExtension())


def picture(width: int, height: int) -> bytes:
    rows = b"".join(b"\0" + b"\x80" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@mcp.tool(task=TaskConfig(mode="optional"), tags={"pictures"}, run_in_thread=False)
async def thumbnail(width: int, height: int, progress: Progress = Progress()) -> Image:
    """Make a small grey picture."""
    await progress.set_total(1)
    data = await asyncio.to_thread(picture, width // 10, height // 10)
    await progress.increment()
    return Image(data=data, format="png")


@mcp.tool(task=True)
async def size_of(width: int, height: int) -> int:
    """How many bytes the small picture has."""
    return len(picture(width // 10, height // 10))


async def main() -> None:
    await mcp.run_async(transport="http", port=8000)


if __name__ == "__main__":
    asyncio.run(main())
