"""Words that one process tells all others of its kind, by way of a ConfigMap that all of them watch.

The words are the keys of its data. Who may write the ConfigMap is a matter of RBAC: nothing else has to be trusted, and
no process has to reach another.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import AlreadyExistsError, GoneError, KubeError, NotFoundError
from mcptasks.kube.kinds import CONFIG_MAPS
from mcptasks.model.base import JsonObject
from mcptasks.network.sparse_log import SparseLog

logger = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
"""How long a word stays at least. Watches bring it within a moment; what they miss is late anyway."""

WRITE_SECONDS = 0.1
"""The time between two writes; the words of a write are told together."""

MAX_UNWRITTEN = 256
BACKOFF_SECONDS = (1.0, 5.0, 30.0)
WATCH_SECONDS = 300
COMPLAINT_SECONDS = 600.0

Hear = Callable[[str], object]


@dataclass(eq=False)
class Bulletin:
    """The words in one ConfigMap. `tell` never waits or fails; what cannot be written is logged and dropped."""

    client: KubeClient
    namespace: str
    name: str
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    _hear: list[Hear] = field(default_factory=list)
    _known: dict[str, float] = field(default_factory=dict)
    """The words that are there, and when each was seen first."""

    _unwritten: set[str] = field(default_factory=set)
    _is_asked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._complaints = SparseLog(logger, seconds=COMPLAINT_SECONDS)

    def listen(self, hear: Hear) -> None:
        """Have it called with each word from now on, once, those of this process included."""
        self._hear.append(hear)

    def tell(self, word: str) -> None:
        """Let all others have the word soon. It must be fit for a key of a ConfigMap."""
        if len(self._unwritten) < MAX_UNWRITTEN:
            self._unwritten.add(word)
            self._is_asked.set()

    async def run(self) -> None:
        """Write and watch until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._watch())
            both.create_task(self._write())

    async def _write(self) -> None:
        while True:
            await self._is_asked.wait()
            self._is_asked.clear()
            words, self._unwritten = self._unwritten, set()
            try:
                await self._put(words)
            except KubeError as error:
                self._complaints.say("cannot tell other replicas of %d cancelled calls: %s", len(words), error)
            await asyncio.sleep(WRITE_SECONDS)

    async def _put(self, words: Iterable[str]) -> None:
        stamp = self.now().isoformat(timespec="seconds")
        data: JsonObject = dict.fromkeys(self._outdated()) | dict.fromkeys(words, stamp)
        try:
            await self.client.patch(CONFIG_MAPS, self.name, {"data": data}, self.namespace)
        except NotFoundError:
            # Without data: another replica may be making it at the same time.
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self.name}}
            try:
                await self.client.create(CONFIG_MAPS, body, self.namespace)
            except AlreadyExistsError:
                logger.debug("another replica has made the ConfigMap %s", self.name)
            await self.client.patch(CONFIG_MAPS, self.name, {"data": data}, self.namespace)

    def _outdated(self) -> list[str]:
        before = self.clock() - KEPT_SECONDS
        return [word for word, seen_at in self._known.items() if seen_at < before]

    async def _watch(self) -> None:
        failures = 0
        while True:
            try:
                await self._list_and_watch()
                failures = 0
            except GoneError:
                failures = 0
            except KubeError as error:
                self._complaints.say("cannot learn of calls that are cancelled at other replicas: %s", error)
                await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
                failures += 1

    async def _list_and_watch(self) -> None:
        only_it = f"metadata.name={self.name}"
        listed = await self.client.list(CONFIG_MAPS, self.namespace, field_selector=only_it)
        for item in listed.items:
            self._read(item)
        async for event in self.client.watch(
            CONFIG_MAPS,
            self.namespace,
            resource_version=listed.resource_version,
            field_selector=only_it,
            timeout_seconds=WATCH_SECONDS,
        ):
            if event.type in ("ADDED", "MODIFIED"):
                self._read(event.object)

    def _read(self, item: JsonObject) -> None:
        words = (item.get("data") or {}).keys()
        new = [word for word in words if word not in self._known]
        now = self.clock()
        self._known = {word: self._known.get(word, now) for word in words}
        for word in new:
            for hear in self._hear:
                hear(word)
