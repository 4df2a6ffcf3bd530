"""What came of attacks, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal

OutputFormat = Literal["table", "json"]


@dataclass(frozen=True)
class AttackRow:
    """An attack and what came of it. `held`: whether the product did, None where the figures have to say so."""

    attack: str
    outcome: str
    held: bool | None = None

    @property
    def line(self) -> str:
        """The row in Markdown."""
        cells = [self.attack, self.outcome, {True: "yes", False: "NO", None: ""}[self.held]]
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


@dataclass
class AttackTable:
    """Prints rows as they come, or all of them at the end as JSON. Knows whether all held."""

    output: OutputFormat = "table"
    rows: list[AttackRow] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return all(row.held is not False for row in self.rows)

    def add(self, row: AttackRow) -> None:
        if self.output == "table":
            if not self.rows:
                print("| attack | what comes of it | held |\n|---|---|---|")
            print(row.line, flush=True)
        self.rows.append(row)

    def end(self) -> int:
        """Print what has not been printed; gives the exit code."""
        if self.output == "json":
            print(json.dumps([asdict(row) for row in self.rows], indent=2, ensure_ascii=False))
        return 0 if self.held else 1


Attacks = Callable[[AttackTable], None]
"""Makes attacks of one kind, and adds a row for each."""
