"""Streams of server-sent events: with signs of life, an end when the process stops, and one when a right is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from starlette.responses import StreamingResponse

from mcptasks.kube.errors import KubeError

logger = logging.getLogger(__name__)

SIGN_OF_LIFE_SECONDS = 15.0
MAX_WAITING = 5
"""Events that wait for a slow browser, of one stream; its sources wait too then."""

SIGN_OF_LIFE = b": \n\n"


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
            if event is None or not await may_go_on():
                return
            yield event
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


def event_stream(
    sources: Sequence[AsyncGenerator[bytes]], may_go_on: Callable[[], Awaitable[bool]], closing: asyncio.Event
) -> StreamingResponse:
    """The answer to a browser's EventSource."""

    async def body() -> AsyncGenerator[bytes]:
        events = merged(sources, may_go_on, closing)
        async with aclosing(events):
            async for event in events:
                yield event

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)
