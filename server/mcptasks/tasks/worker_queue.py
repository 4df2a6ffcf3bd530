"""What tasks ask of those that hand them to workers."""

from __future__ import annotations

from typing import Protocol


class WorkerQueue(Protocol):
    """The tasks that wait for a worker."""

    def is_warm(self, template: str) -> bool:
        """Whether workers run the template's tasks."""
        ...

    def ahead_of(self, template: str, uid: str) -> int | None:
        """How many tasks get a worker before this one; None where it does not wait for one, or nobody knows."""
        ...

    def has_room(self, template: str) -> bool:
        """Whether a worker of this replica would get the template's next task at once."""
        ...


class NoWorkers:
    """A `WorkerQueue` of a server without workers."""

    def is_warm(self, template: str) -> bool:
        return False

    def ahead_of(self, template: str, uid: str) -> int | None:
        return None

    def has_room(self, template: str) -> bool:
        return False


def waiting_message(ahead: int, cause: str | None = None) -> str:
    """What a caller is told of a task that waits. `cause` is what its status says of it."""
    place = "it is next" if ahead == 0 else f"{ahead} {'task is' if ahead == 1 else 'tasks are'} ahead"
    return f"Waits for a worker: {place}" + (f" ({cause})" if cause else "")
