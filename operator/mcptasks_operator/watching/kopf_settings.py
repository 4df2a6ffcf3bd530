"""kopf, set up to watch and to do nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import kopf

from mcptasks_operator.watching.watched_kinds import WATCHED

SERVER_TIMEOUT_SECONDS = 300

CLIENT_TIMEOUT_SECONDS = 330

PAGE_SIZE = 500

FINALIZER = "mcptasks.dev/operator"


class EndlessBackoffs(Iterable[float]):
    """Pauses between attempts at a request, without end: kopf waits for an API server that is away.

    Leadership ends before that: a process that cannot reach the API server loses the Lease.
    """

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0, 2.0, 3.0)
        while True:
            yield 5.0


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no copy of the object: only change handlers need one."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        pass


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress: only change handlers have any."""

    def fetch(self, *, key: Any, body: Any) -> Any:
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        pass

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        pass

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        pass

    def clear(self, *, essence: Any) -> Any:
        return essence


def operator_settings() -> kopf.OperatorSettings:
    """kopf's settings: named resources only, no peering, server-side selectors, short timeouts."""
    settings = kopf.OperatorSettings()
    settings.process.ultimate_exiting_timeout = None
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    for watched in WATCHED:
        if watched.selector is not None:
            resource = watched.resource
            settings.watching.label_selectors[resource.group, resource.version, resource.plural] = watched.selector
    settings.watching.server_timeout = SERVER_TIMEOUT_SECONDS
    settings.watching.client_timeout = CLIENT_TIMEOUT_SECONDS
    settings.watching.chunk_size = PAGE_SIZE
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.queueing.idle_timeout = 1.0
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.finalizer = FINALIZER
    return settings
