"""A tool that returns an image: a curve, drawn into a PNG with nothing but the standard library.

Run it with `mcptasks dev examples/plot.py`, then call it:

    mcptasks call http://127.0.0.1:8000/mcp lissajous --arg x=3 --arg y=4
"""

import math
import struct
import zlib
from typing import Annotated

from mcp.server.mcpserver.utilities.types import Image
from pydantic import Field

from mcptasks import TaskServer, progress

mcp = TaskServer("plot")

INK, PAPER = 0, 255
POINTS = 40_000
Frequency = Annotated[int, Field(ge=1, le=20)]


@mcp.tool(task=True)
def lissajous(x: Frequency, y: Frequency, size: Annotated[int, Field(ge=16, le=2000)] = 400) -> Image:
    """Draw the curve of two oscillations at right angles."""
    rows = [bytearray([PAPER]) * size for _ in range(size)]
    for number in range(POINTS):
        angle = 2 * math.pi * number / POINTS
        column = round((size - 1) * (1 + math.sin(x * angle)) / 2)
        row = round((size - 1) * (1 + math.sin(y * angle)) / 2)
        rows[row][column] = INK
        if number % (POINTS // 4) == 0:
            progress(number, POINTS)
    return Image(data=png(rows), format="png")


def png(rows: list[bytearray]) -> bytes:
    """A grey-scale PNG (ISO/IEC 15948)."""
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = b"".join(b"\x00" + bytes(row) for row in rows)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
