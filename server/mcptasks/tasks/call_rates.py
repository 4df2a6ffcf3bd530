"""How many tasks a second are made for each caller, at all replicas."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.model.base import JsonObject, time_of
from mcptasks.model.decaying_count import DecayingCount
from mcptasks.tasks.cached_tasks import group_of

AVERAGED_SECONDS = 60.0
MAX_REMEMBERED = 10_000
"""Callers, the latest ones."""


@dataclass(eq=False)
class CallRates:
    """Listens to the watch cache of tasks. A task is new for as long as nothing has been written into its status."""

    _rates: OrderedDict[Hashable, DecayingCount] = field(default_factory=OrderedDict)

    def changed(self, item: JsonObject, *, watched: bool) -> None:
        """A task is new or has changed."""
        created = time_of(item["metadata"].get("creationTimestamp"))
        if item.get("status") or created is None:
            return
        owner = group_of(item)
        rate = self._rates.pop(owner, None) or DecayingCount(AVERAGED_SECONDS)
        self._rates[owner] = rate.after(created)
        while len(self._rates) > MAX_REMEMBERED:
            self._rates.popitem(last=False)

    def deleted(self, item: JsonObject) -> None:
        """A task is gone: it was made all the same."""

    def per_second(self, owner: Hashable, now: datetime) -> float:
        """How many tasks the owner makes a second, about."""
        rate = self._rates.get(owner)
        return 0.0 if rate is None else rate.rate(now)
