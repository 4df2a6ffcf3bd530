"""A diagnosis: one stable reason, and a message that a person or a model can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcptasks.model.excerpts import without_middle, without_start
from mcptasks.model.task import MAX_LOG_TAIL, Reason

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

    @property
    def message(self) -> str:
        """Cause and hint, for callers too. A cause that is too long is cut in its middle, with a mark there."""
        text = without_middle(self.cause, MAX_CAUSE)
        return f"{text}. {self.hint}" if self.hint else text


def log_tail(lines: Sequence[str] | None) -> str | None:
    """The last lines of a log as one text, as the process wrote them; None where it wrote none.

    What is too long is cut, and has a mark there: a line in its middle, the text at its start.
    """
    text = "\n".join(without_middle(line, MAX_LOG_LINE) for line in lines or ())
    return without_start(text, MAX_LOG_TAIL) if text.strip() else None
