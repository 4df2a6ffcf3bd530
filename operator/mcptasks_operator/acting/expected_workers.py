"""Workers that were asked for and have not been seen yet: they may be there, and count as if they were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FORGET_SECONDS = 60.0
"""After so long a request that was not answered has had no effect, if the Pod is still not there."""


@dataclass(eq=False)
class ExpectedWorkers:
    """The names of those Pods, by their template's uid, and when each was first asked for."""

    _asked: dict[str, dict[str, datetime]] = field(default_factory=dict)

    def ask(self, template: str, name: str, now: datetime) -> None:
        """The Pod is about to be asked for. Asked for again, it is the same one."""
        self._asked.setdefault(template, {}).setdefault(name, now)

    def settle(self, template: str, name: str) -> None:
        """It is there, or it certainly is not."""
        asked = self._asked.get(template, {})
        asked.pop(name, None)
        if not asked:
            self._asked.pop(template, None)

    def unseen(self, template: str) -> list[str]:
        """Those of the template, the oldest first."""
        return list(self._asked.get(template, ()))

    def is_over(self, template: str, name: str, now: datetime) -> bool:
        """Whether the request can have no effect any more."""
        asked = self._asked.get(template, {}).get(name)
        return asked is None or now >= asked + timedelta(seconds=FORGET_SECONDS)

    def keep(self, templates: Iterable[str]) -> None:
        """Forget those of all other templates."""
        for gone in set(self._asked) - set(templates):
            del self._asked[gone]
