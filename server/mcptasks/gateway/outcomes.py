"""What a runner's outcome makes of its task: pure."""

from __future__ import annotations

from mcptasks.gateway.contract import ErrorOutcome, FailureOutcome, Outcome, RefusalCode, ResultOutcome
from mcptasks.gateway.json_texts import has_half_characters, is_json
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.model.excerpts import without_middle
from mcptasks.model.lifecycle import Ending
from mcptasks.model.task import MAX_STATUS_MESSAGE, McpTask, Phase, Reason, ResultRecord, TaskError
from mcptasks.settings import KIB
from mcptasks.stores.result_errors import ResultTooLargeError

COMPLETED_MESSAGE = "The task completed"
TOOL_ERROR_MESSAGE = "The tool reported an error"

CHECKED_BYTES = 64 * KIB
"""Results up to this size are parsed to see that they are JSON; beyond, parsing takes up to 30 ms a MiB."""

MAX_ERROR_DATA_BYTES = 256 * KIB

_INT64 = 2**63


def result_ending(outcome: ResultOutcome, record: ResultRecord) -> Ending:
    """The component answered, and its answer is stored."""
    if outcome.is_error:
        message = outcome.message or TOOL_ERROR_MESSAGE
        return Ending(Phase.FAILED, Reason.TOOL_ERROR, message, result=record, detail=outcome.detail)
    return Ending(Phase.COMPLETED, Reason.COMPLETED, outcome.message or COMPLETED_MESSAGE, result=record)


def error_ending(outcome: ErrorOutcome | FailureOutcome) -> Ending:
    """The call ended without a result. What a worker's task has printed is in `status.log`, and not twice."""
    if isinstance(outcome, FailureOutcome):
        return Ending(Phase.FAILED, outcome.reason, outcome.message, detail=outcome.detail)
    size = len((outcome.data_text or "").encode())
    if size > MAX_ERROR_DATA_BYTES:
        said = without_middle(outcome.message, MAX_STATUS_MESSAGE // 2)
        message = f"{said} (the error's data, {size} bytes, is too large and was dropped)"
        return _request_error(outcome, message, None)
    return _request_error(outcome, outcome.message, outcome.data_text)


def _request_error(outcome: ErrorOutcome, message: str, data_text: str | None) -> Ending:
    error = _task_error(outcome, data_text)
    return Ending(Phase.FAILED, Reason.REQUEST_ERROR, message, error=error, detail=outcome.detail)


def _task_error(outcome: ErrorOutcome, data_text: str | None) -> TaskError:
    return TaskError(
        code=outcome.code, message=without_middle(outcome.message, MAX_STATUS_MESSAGE), data_text=data_text
    )


def too_large_ending(error: ResultTooLargeError) -> Ending:
    """The component answered, and its answer is too large to be kept."""
    return Ending(Phase.FAILED, Reason.RESULT_TOO_LARGE, str(error))


def refuse_invalid(outcome: Outcome) -> None:
    """Raises RefusedError for an outcome that no reader could make sense of."""
    if isinstance(outcome, ErrorOutcome):
        if not -_INT64 <= outcome.code < _INT64:
            raise RefusedError(RefusalCode.INVALID, f"the error code {outcome.code} is beyond 64 bits")
        # What is larger is dropped unread.
        data = outcome.data_text
        if data is not None and len(data) <= MAX_ERROR_DATA_BYTES and not is_json(data):
            raise RefusedError(RefusalCode.INVALID, "the error's data is no JSON text that can be passed on")
    elif isinstance(outcome, ResultOutcome) and not _looks_like_an_object(outcome.text):
        raise RefusedError(RefusalCode.INVALID, "the result is not a JSON object")


def _looks_like_an_object(text: str) -> bool:
    if len(text) > CHECKED_BYTES:
        return text[0] == "{" and text[-1] == "}" and not has_half_characters(text)
    return is_json(text, dict)


def may_be_replay(task: McpTask, pod: TaskPod) -> bool:
    """Whether the task may have ended by an outcome of this very Pod, which it may deliver again."""
    return task.terminal and task.phase is not Phase.CANCELLED and is_claimed_by(task, pod)


def is_claimed_by(task: McpTask, pod: TaskPod) -> bool:
    """Whether the task's last attempt is the Pod's."""
    if task.uid != pod.task_uid or task.status.pod_uid != pod.uid:
        return False
    return pod.attempt is None or pod.attempt == task.status.attempts


def is_replay(task: McpTask, pod: TaskPod, outcome: Outcome, sha256: str | None) -> bool:
    """Whether the task ended by this very outcome of this very Pod, which has only been delivered again.

    `sha256` is that of the outcome's result.
    """
    status = task.status
    if not may_be_replay(task, pod):
        return False
    if isinstance(outcome, FailureOutcome):
        return status.reason == outcome.reason
    if isinstance(outcome, ErrorOutcome):
        return status.error == error_ending(outcome).error
    return status.reason == Reason.RESULT_TOO_LARGE or (status.result is not None and status.result.sha256 == sha256)


def has_ended_as(task: McpTask, pod: TaskPod, ending: Ending) -> bool:
    """Whether the task has ended as the Pod wanted it to, and points to the very result that was stored for it."""
    status = task.status
    return (status.pod_uid, task.phase, status.reason, status.result) == (
        pod.uid,
        ending.phase,
        ending.reason,
        ending.result,
    )
