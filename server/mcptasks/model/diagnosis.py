"""A diagnosis: one stable reason, and a message that a person or a model can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcptasks.model.excerpts import without_middle, without_start
from mcptasks.model.task import Reason

MAX_LOG_CHARACTERS = 8_000
MAX_LOG_LINE = 1_000
MAX_CAUSE = 2_000


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What went wrong and what can be done about it. `permanent` is what no waiting changes."""

    reason: Reason
    cause: str
    hint: str = ""
    exit_code: int | None = None
    permanent: bool = False

    def message(self, log: Sequence[str] | None = None) -> str:
        """Cause, hint and the last lines of the log, which are as the process wrote them.

        What is too long is cut, and has a mark there: a line in its middle, the log at its start.
        """
        text = without_middle(self.cause, MAX_CAUSE)
        if self.hint:
            text += f". {self.hint}"
        tail = "\n".join(without_middle(line, MAX_LOG_LINE) for line in log or ())
        return f"{text}\nLast log lines:\n{without_start(tail, MAX_LOG_CHARACTERS)}" if tail.strip() else text
