"""What becomes of an outcome before it leaves the process: pure."""

from __future__ import annotations

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from mcptasks.gateway.contract import ErrorOutcome, FailureOutcome, Outcome, ResultOutcome, RunnerExitCode
from mcptasks.model.excerpts import without_middle
from mcptasks.model.task import MAX_STATUS_MESSAGE, Reason
from mcptasks.stores.result_errors import ResultTooLargeError, counted_twice

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


def within_limit(outcome: Outcome, max_result_bytes: int) -> Outcome:
    """The outcome, or a failure in its place where its result is too large."""
    if not isinstance(outcome, ResultOutcome):
        return outcome
    size = utf8_size(outcome.text)
    if size <= max_result_bytes:
        return outcome
    setting = "the server's MCPTASKS_MAX_RESULT_BYTES (MCPTASKS_REDIS_URL)"
    error = ResultTooLargeError(size, max_result_bytes, setting, counted_twice(outcome.text))
    return FailureOutcome(reason=Reason.RESULT_TOO_LARGE, message=str(error))


def encoded(outcome: Outcome) -> bytes:
    """The outcome as JSON; a failure in its place where UTF-8 cannot carry it."""
    try:
        return _OUTCOME.dump_json(_with_short_message(outcome), by_alias=True, exclude_none=True)
    except (PydanticSerializationError, UnicodeEncodeError):
        return encoded(not_serializable("the result has characters that are not Unicode (lone surrogates)"))


def not_serializable(why: str) -> FailureOutcome:
    """The failure of a result that the gateway cannot take."""
    return FailureOutcome(reason=Reason.RESULT_NOT_SERIALIZABLE, message=f"The result cannot be recorded: {why}")


def exit_code(outcome: Outcome) -> RunnerExitCode:
    """The process's exit code once the outcome is recorded."""
    if isinstance(outcome, FailureOutcome):
        return RunnerExitCode.FAILURE_RECORDED
    return RunnerExitCode.OUTCOME_RECORDED


def utf8_size(text: str) -> int:
    """Bytes of the text in UTF-8; lone surrogates, which it does not have, count as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _with_short_message(outcome: Outcome) -> Outcome:
    if isinstance(outcome, ErrorOutcome) or outcome.message is None or len(outcome.message) <= MAX_STATUS_MESSAGE:
        return outcome
    return outcome.model_copy(update={"message": without_middle(outcome.message, MAX_STATUS_MESSAGE)})
