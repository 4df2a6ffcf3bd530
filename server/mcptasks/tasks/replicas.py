"""What one replica of a server asks of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Replicas(Protocol):
    """All replicas of a server, this one included."""

    def tell(self, call_id: str) -> None:
        """Tell all of them that the client of a call has given it up."""
        ...

    def listen(self, hear: Callable[[str], object]) -> None:
        """Have it called with the ids of such calls from now on."""
        ...


class NoReplicas:
    """The `Replicas` of a server that has no others."""

    def tell(self, call_id: str) -> None:
        """There is nobody to tell."""

    def listen(self, hear: Callable[[str], object]) -> None:
        """Nobody tells anything."""
