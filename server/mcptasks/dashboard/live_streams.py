"""Streams of server-sent events: with signs of life, an end when the process stops, and one when a right is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from mcptasks.dashboard.rights import Viewer
from mcptasks.kube.errors import KubeError
from mcptasks.tasks.limits import InProgress

logger = logging.getLogger(__name__)

SIGN_OF_LIFE_SECONDS = 15.0
MAX_WAITING = 2
"""Events that wait for a slow browser, of one stream; its sources wait too then."""

SIGN_OF_LIFE = b": \n\n"


class TooManyStreamsError(Exception):
    """As many streams are open as may be; the text says whose, and what to do."""


@dataclass
class OpenStreams:
    """How many streams are open, and whose."""

    most: int = 500
    of_one: int = 50
    """Of these, of one viewer."""

    _counts: InProgress = field(default_factory=InProgress)

    @property
    def total(self) -> int:
        """How many are open."""
        return self._counts.total

    @contextmanager
    def one_more(self, viewer: Viewer) -> Iterator[None]:
        """One more is open until the context ends. Raises TooManyStreamsError.

        Where nobody is asked who they are, there is one person at this machine.
        """
        allowed = self.most if viewer.user is None else min(self.of_one, self.most)
        if self._counts.count(viewer.name) >= allowed:
            raise TooManyStreamsError(
                f"You have {allowed} pages open that follow what they show, which is the limit. This one does not "
                "follow it until you close another."
            )
        if self._counts.total >= self.most:
            raise TooManyStreamsError(
                f"All viewers together have {self.most} pages open that follow what they show, which is the limit. "
                "This one does not follow it until one of them is closed."
            )
        with self._counts.one_more(viewer.name):
            yield


async def merged(
    sources: Sequence[AsyncGenerator[bytes]], may_go_on: Callable[[], Awaitable[bool]], closing: asyncio.Event
) -> AsyncGenerator[bytes]:
    """The events of all sources as they come, until a source fails, the process stops or the viewer may not go on."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING)

    async def read(source: AsyncGenerator[bytes]) -> None:
        try:
            async with aclosing(source):
                async for event in source:
                    await queue.put(event)
        except KubeError as error:
            # The browser comes back in a moment.
            logger.debug("a stream ends: %s", error)
            await queue.put(None)
        except Exception:
            # So does it here, and is told what is wrong.
            logger.exception("a stream ends")
            await queue.put(None)

    async def close() -> None:
        await closing.wait()
        await queue.put(None)

    working = [asyncio.create_task(read(source)) for source in sources] + [asyncio.create_task(close())]
    try:
        yield SIGN_OF_LIFE
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), SIGN_OF_LIFE_SECONDS)
            except TimeoutError:
                event = SIGN_OF_LIFE
            if event is None or not await _still(may_go_on):
                return
            yield event
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def _still(may_go_on: Callable[[], Awaitable[bool]]) -> bool:
    """Whether the viewer may go on, as far as that can be found out now."""
    try:
        return await may_go_on()
    except KubeError as error:
        logger.debug("a stream ends: %s", error)
        return False


class EventStream(Response):
    """The answer to a browser's EventSource. Raises TooManyStreamsError before it begins."""

    def __init__(self, streams: OpenStreams, viewer: Viewer, events: AsyncGenerator[bytes]) -> None:
        super().__init__()
        self._streams = streams
        self._viewer = viewer
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        with self._streams.one_more(self._viewer):
            async with aclosing(self._events) as events:
                answer = StreamingResponse(events, media_type="text/event-stream", headers=headers)
                await answer(scope, receive, send)
