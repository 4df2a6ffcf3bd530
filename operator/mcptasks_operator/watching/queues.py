"""Where the keys of what has changed go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mcptasks.kube.watch_cache import Key


@dataclass(frozen=True)
class Queues:
    """`task` takes keys of tasks, `pool` those of templates whose workers have to be looked at."""

    task: Callable[[Key], None]
    pool: Callable[[Key], None]
