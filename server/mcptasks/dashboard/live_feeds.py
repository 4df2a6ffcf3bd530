"""Parts of pages that follow what they show: rendered once for all who look at the same, and sent when they differ."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.4
"""Between two looks at what changes, where few things are followed: often enough to see it within a second."""

FEEDS_WITHOUT_DELAY = 8
"""With more of them each pauses for longer: all together are rendered as often as these."""

LOOK_SECONDS = 10.0
"""How often is looked where nothing has changed: what is slow becomes so without a word."""

Parts = Mapping[str, str]
"""HTML by the name of the part."""

Render = Callable[[], Awaitable[Parts]]
Watch = Callable[[], AbstractContextManager[asyncio.Event]]


def pause_seconds(feeds: int) -> float:
    """How long each of so many feeds pauses after it was rendered. Pure."""
    return PAUSE_SECONDS * max(1.0, feeds / FEEDS_WITHOUT_DELAY)


@dataclass(eq=False)
class Feed:
    """One thing that several pages show: its parts as they are now, and who is told when they change."""

    render: Render
    watch: Watch
    pause: Callable[[], float] = lambda: PAUSE_SECONDS
    parts: Parts = field(default_factory=dict)
    readers: set[asyncio.Event] = field(default_factory=set)
    error: Exception | None = None

    async def run(self) -> None:
        """Render whenever something changes, until cancelled."""
        with self.watch() as changed:
            while True:
                changed.clear()
                try:
                    parts = await self.render()
                except Exception as error:  # noqa: BLE001 - the readers raise it
                    self.error = error
                    self._wake()
                    return
                if parts != self.parts:
                    self.parts = parts
                    self._wake()
                await asyncio.sleep(self.pause())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await changed.wait()

    def _wake(self) -> None:
        for reader in self.readers:
            reader.set()


@dataclass
class LiveFeeds:
    """The feeds that somebody reads. One without readers ends."""

    _feeds: dict[Hashable, tuple[Feed, asyncio.Task[None]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._feeds)

    async def changes(self, key: Hashable, render: Render, watch: Watch, seen: Parts) -> AsyncGenerator[Parts]:
        """The parts that differ from those that were seen, now and whenever some change.

        `key` names what is rendered: who asks with the same key gets the same. Raises what rendering raises.
        """
        feed = self._open(key, render, watch)
        news = asyncio.Event()
        feed.readers.add(news)
        if feed.parts or feed.error:
            news.set()
        try:
            while True:
                await news.wait()
                news.clear()
                if feed.error is not None:
                    raise feed.error
                different = {name: html for name, html in feed.parts.items() if seen.get(name) != html}
                seen = feed.parts
                if different:
                    yield different
        finally:
            feed.readers.discard(news)
            self._close_unread(key, feed)

    def _open(self, key: Hashable, render: Render, watch: Watch) -> Feed:
        known = self._feeds.get(key)
        if known is not None and known[0].error is None:
            return known[0]
        feed = Feed(render, watch, lambda: pause_seconds(len(self)))
        self._feeds[key] = feed, asyncio.create_task(feed.run())
        return feed

    def _close_unread(self, key: Hashable, feed: Feed) -> None:
        known = self._feeds.get(key)
        if not feed.readers and known is not None and known[0] is feed:
            known[1].cancel()
            del self._feeds[key]


def server_sent(event: str, text: str) -> bytes:
    """An event as a stream carries it (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    # Each of these ends a line for the browser.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    data = "".join(f"data: {line}\n" for line in lines)
    return f"event: {event}\n{data}\n".encode("utf-8", "replace")
