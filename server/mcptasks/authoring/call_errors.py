"""What callers, and those who may read the task, are told of an exception."""

from __future__ import annotations

from mcptasks.authoring.call_facts import CallFacts
from mcptasks.diagnostics.tracebacks import exception_summary
from mcptasks.model.excerpts import without_middle

MAX_SUMMARY = 900
"""Characters. It fits into a condition, beside what the caller is told."""


def summary_of(error: BaseException) -> str:
    """Type and message of what was raised, and the author's own frames, cut in the middle where that is long."""
    return without_middle(exception_summary(error), MAX_SUMMARY)


def shown(text: str, error: BaseException, facts: CallFacts) -> str:
    """The text that tells a caller of an unexpected exception, with the exception where callers may see it."""
    return f"{text}: {summary_of(error)}" if facts.show_exceptions else text
