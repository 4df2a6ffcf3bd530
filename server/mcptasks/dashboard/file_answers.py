"""Files to save: read when there is room for them, sent in pieces, and counted until they have been sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from mcptasks.dashboard.visits import PageError
from mcptasks.settings import KIB
from mcptasks.tasks.byte_budget import BUDGET_SECONDS, RETRY_SECONDS, ByteBudget

PIECE_BYTES = 128 * KIB

PAGE_TURN_SECONDS = 20.0
"""How long a page waits for others to be sent: a browser that is opened again loads all of its pages at once."""

SMALL_FILE_BYTES = 256 * KIB
"""Such a file needs no room of its own: it goes on while large ones are downloaded."""

FILES_FULL = (
    "Too many large files are being downloaded",
    f"Try again in {RETRY_SECONDS} seconds: what is read at the same time has to fit into memory.",
)
PAGES_FULL = (
    "Too many pages are being loaded",
    f"Load it again in {RETRY_SECONDS} seconds: what is loaded at the same time has to fit into memory.",
)


@dataclass(frozen=True)
class SentFile:
    """A file as it is sent. Without a `name` the browser shows it.

    `size`: its bytes in memory, where that is less than was thought before it was read.
    """

    pieces: Iterable[bytes]
    media_type: str
    name: str = ""
    size: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        if not self.name:
            return {}
        return {
            "content-disposition": f'attachment; filename="{self.name}"',
            "content-security-policy": "default-src 'none'; sandbox",
        }


@dataclass
class TakenRoom:
    """What a file or a page has taken of the room for all."""

    budget: ByteBudget
    viewer: Hashable
    size: int

    def shrink(self, size: int) -> None:
        """Give back what is more than `size` bytes."""
        spare = max(0, self.size - max(0, size))
        self.size -= spare
        self.budget.give_back(self.viewer, spare)


@asynccontextmanager
async def _room(
    budget: ByteBudget, viewer: Hashable, size: int, seconds: float, full: tuple[str, str]
) -> AsyncIterator[TakenRoom]:
    """So much of the budget. Raises PageError, with the title and text of `full`, where it has none in time."""
    if size and not await budget.take(viewer, size, seconds):
        raise PageError(HTTPStatus.SERVICE_UNAVAILABLE, *full, retry_after=RETRY_SECONDS)
    taken = TakenRoom(budget, viewer, size)
    try:
        yield taken
    finally:
        taken.shrink(0)


@dataclass(frozen=True)
class FileRoom:
    """Room in memory for the files that are read and sent at the same time, at most half of it for one viewer."""

    budget: ByteBudget
    seconds: float = BUDGET_SECONDS

    def of(self, viewer: Hashable, size: int) -> AbstractAsyncContextManager[TakenRoom]:
        """Room for a file of `size` bytes. Raises PageError where there is none in time."""
        return _room(self.budget, viewer, size if size > SMALL_FILE_BYTES else 0, self.seconds, FILES_FULL)


class FileAnswer(Response):
    """The answer with a file, which is read only when there is room for it. Raises PageError, as `read` may."""

    def __init__(self, room: FileRoom, viewer: Hashable, size: int, read: Callable[[], Awaitable[SentFile]]) -> None:
        """`size`: how many bytes the file has in memory, at most."""
        super().__init__()
        self._room = room
        self._viewer = viewer
        self._size = size
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._room.of(self._viewer, self._size) as taken:
            file = await self._read()
            if file.size is not None:
                taken.shrink(file.size)
            answer = StreamingResponse(_with_pauses(file.pieces), media_type=file.media_type, headers=file.headers)
            await answer(scope, receive, send)


class PageInTurn(Response):
    """A page that is made when there is room for it, and counted until it has been sent.

    Raises PageError, as `make` may.
    """

    def __init__(
        self,
        budget: ByteBudget,
        viewer: Hashable,
        size: int,
        make: Callable[[], Awaitable[Response]],
        seconds: float = PAGE_TURN_SECONDS,
    ) -> None:
        """`size`: how many bytes the page counts; `seconds`: how long it waits for room."""
        super().__init__()
        self._budget = budget
        self._viewer = viewer
        self._size = size
        self._make = make
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with _room(self._budget, self._viewer, self._size, self._seconds, PAGES_FULL):
            page = await self._make()
            await page(scope, receive, send)


async def _with_pauses(pieces: Iterable[bytes]) -> AsyncGenerator[bytes]:
    """Each piece may be compressed before it is sent; others have their turn between two."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


def pieces_of(data: bytes) -> Iterator[bytes]:
    """The bytes in pieces."""
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def line_pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """The lines as a text file, in pieces."""
    piece = bytearray()
    for line in lines:
        piece += line.encode("utf-8", "replace") + b"\n"
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
