"""What is told of the hand-out of tasks, for metrics."""

from __future__ import annotations

from typing import Protocol


class WorkObserver(Protocol):
    """Is told of workers and their tasks. `template` is the name of the McpTaskTemplate."""

    def handed_out(self, template: str, waited: float) -> None:
        """A worker got a task that had waited for `waited` seconds."""

    def loaded(self, template: str, seconds: float) -> None:
        """A worker is there that took so long to load its module."""

    def process_made(self, template: str, seconds: float) -> None:
        """A worker took so long to have a process for a task."""


class UnobservedWork:
    """Tells nobody."""

    def handed_out(self, template: str, waited: float) -> None:
        return

    def loaded(self, template: str, seconds: float) -> None:
        return

    def process_made(self, template: str, seconds: float) -> None:
        return
