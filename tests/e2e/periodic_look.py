"""A thread that looks at the cluster again and again."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self

import httpx2


class PeriodicLook(ABC):
    """Looks until it is stopped; an API server that does not answer is asked again. Use as a context manager."""

    def __init__(self, name: str, every_seconds: float) -> None:
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def look(self) -> None:
        """Write down what there is."""

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            with suppress(httpx2.HTTPError):
                self.look()
