"""What a program is told that was moved over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class MigrationFinding:
    """Something that was not simply replaced."""

    line: int
    """In the program as it was."""

    text: str
    """What it is, and what to do."""

    by_hand: bool = True
    """Whether somebody has to do something; otherwise it was taken out and nothing will be missed."""


@dataclass(frozen=True)
class MigratedProgram:
    """A program for mcptasks, and what its author has to know."""

    before: str
    after: str
    findings: tuple[MigrationFinding, ...]

    @property
    def changed(self) -> bool:
        return self.before != self.after

    @property
    def by_hand(self) -> tuple[MigrationFinding, ...]:
        """What is left to do."""
        return tuple(finding for finding in self.findings if finding.by_hand)
