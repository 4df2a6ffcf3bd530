"""Requests of a task's process to its agent, and the answers: a JSON header and a body, each with its length before it.

| header of a request | header of the answer |
|---|---|
| `{"id": 1, "method": "POST", "path": "/v1/progress"}` | `{"id": 1, "status": 204}`, or `{"id": 1, "error": "..."}` |

After the answer with its assignment the process says `BEGIN`, without an answer, and only then runs anything of the
task's. Method, path, bodies and statuses are those of the gateway's contract. Answers come in any order.
"""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass
from typing import Any

_LENGTHS = struct.Struct(">IQ")
MAX_HEADER_BYTES = 64 * 1024
BEGIN = "BEGIN"


class BrokenFrameError(Exception):
    """What has come is no frame, or a larger one than may come."""


@dataclass(frozen=True)
class ChannelFrame:
    """One request or answer."""

    header: dict[str, Any]
    body: bytes = b""

    def encoded(self) -> list[bytes]:
        """The frame's bytes, in parts."""
        header = json.dumps(self.header).encode()
        return [_LENGTHS.pack(len(header), len(self.body)) + header, self.body]


async def read_frame(reader: asyncio.StreamReader, max_body: int) -> ChannelFrame | None:
    """The next frame; None where no more come.

    Raises:
        BrokenFrameError: it cannot be read, or its body has more than `max_body` bytes.
    """
    try:
        header_length, body_length = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
        if header_length > MAX_HEADER_BYTES or body_length > max_body:
            raise BrokenFrameError(f"a frame of {header_length} and {body_length} bytes")
        header = json.loads(await reader.readexactly(header_length))
        body = await reader.readexactly(body_length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except ValueError as error:
        raise BrokenFrameError(f"a header that is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise BrokenFrameError("a header that is no object")
    return ChannelFrame(header, body)
