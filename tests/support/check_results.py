"""What came of the checks of a foreign program, and the summary of a run for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUCCESS = "SUCCESS"
FAILURE = "FAILURE"


@dataclass(frozen=True)
class Check:
    """One check, as the program reports it. `status` is SUCCESS, FAILURE or a word of the program's own."""

    id: str
    status: str
    message: str = ""


@dataclass(frozen=True)
class Checked:
    """What came of a program's checks. `error` says why it has none, or why the last ones are missing."""

    checks: tuple[Check, ...]
    error: str = ""

    def count(self, status: str) -> int:
        return sum(check.status == status for check in self.checks)

    @property
    def failures(self) -> list[Check]:
        return [check for check in self.checks if check.status == FAILURE]

    @property
    def passed(self) -> bool:
        return not self.error and not self.failures


def write_summary(file: Path, summary: Mapping[str, Any]) -> None:
    """Write the summary of a run as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(summary, indent=2) + "\n")
