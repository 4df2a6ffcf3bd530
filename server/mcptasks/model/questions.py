"""What a running task asks its caller, as pure functions of the task: asking, answering, and how long that may take.

A task is `input_required` from the moment that it has a question without an answer until it has none. Its run deadline
stands still for that time. How long it may stand still in all is `spec.inputTimeoutSeconds`, so that no task can wait
for ever: a task that has used it up ends, and what the cluster enforces without anybody's help (the Pod's
`activeDeadlineSeconds`) is run time and waiting time together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import without_middle
from mcptasks.model.lifecycle import SUCCEEDED, Ending, conditions, timestamp
from mcptasks.model.task import MAX_STATUS_MESSAGE, Condition, InputRequest, McpTask, Phase, Reason, TaskError

ELICIT = "elicitation/create"
"""The method of a question to the person who called; the others are for programs."""

MAX_QUESTIONS = 32
"""Questions that a task may have at once: all are kept in the object."""

MAX_QUESTION_BYTES = 64 * 1024
MAX_QUESTIONS_BYTES = 256 * 1024
"""Of all questions that a task has at once: each change writes the whole object anew."""

MAX_QUESTIONS_OF_A_TASK = 1000
"""Questions over a task's whole life, unless the server says otherwise."""

MAX_ANSWER_BYTES = 64 * 1024

CANNOT_ASK = (
    "this task cannot ask its caller anything (spec.inputTimeoutSeconds is not set): give the tool a "
    "TaskConfig(input_timeout=...), or the server MCPTASKS_DEFAULT_INPUT_TIMEOUT_SECONDS"
)


class QuestionError(ValueError):
    """The task may not ask this; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What the caller has answered: a result as JSON text, or a JSON-RPC error."""

    text: str | None = None
    error: TaskError | None = None


def outstanding(task: McpTask) -> tuple[InputRequest, ...]:
    """The questions that wait for an answer."""
    return tuple(request for request in task.status.input_requests or () if not request.answered)


def answers(task: McpTask) -> dict[str, Answer]:
    """The answers that are there, by key."""
    requests = task.status.input_requests or ()
    return {r.key: Answer(r.response_text, r.error) for r in requests if r.answered}


def waited(task: McpTask, now: datetime) -> timedelta:
    """How long the current attempt has waited for answers, up to now."""
    before = timedelta(milliseconds=task.status.input_wait_ms or 0)
    since = task.status.input_since
    return before if since is None else before + max(now - since, timedelta(0))


def answers_due(task: McpTask) -> datetime | None:
    """When the task has waited for as long as it may; None where it does not wait."""
    if task.status.input_since is None:
        return None
    allowed = timedelta(seconds=task.spec.input_timeout_seconds or 0)
    return task.status.input_since + allowed - timedelta(milliseconds=task.status.input_wait_ms or 0)


def timed_out(task: McpTask) -> Ending:
    """How a task ends that nobody has answered in time."""
    asked = ", ".join(f"{request.message or request.method!r}" for request in outstanding(task))
    message = (
        f"no answer came within the {task.spec.input_timeout_seconds} s that the task may wait for input "
        f"(spec.inputTimeoutSeconds); it had asked: {asked}"
    )
    return Ending(Phase.FAILED, Reason.INPUT_TIMEOUT, message)


def asked(
    task: McpTask, questions: Sequence[InputRequest], now: datetime, most: int = MAX_QUESTIONS_OF_A_TASK
) -> JsonObject | None:
    """The status patch with which these, and no others, are the task's questions; None where they are that already.

    Questions that the task has keep what is known of them, their answers above all. A task may ask `most` questions
    over its whole life.

    Raises:
        QuestionError: the task may not ask, or not as much.
    """
    if questions:
        _check(task, questions)
    known = {request.key: request for request in task.status.input_requests or ()}
    merged = [known.get(q.key) or q.model_copy(update={"created_at": now}) for q in questions]
    if [request.key for request in merged] == list(known):
        return None
    count = (task.status.questions_asked or 0) + sum(question.key not in known for question in questions)
    if questions and count > most:
        raise QuestionError(f"a task may ask {most} questions in all (MCPTASKS_MAX_QUESTIONS_PER_TASK)")
    return {"status": _status(task, merged, now) | {"questionsAsked": count}}


def answered(task: McpTask, given: Mapping[str, Answer], now: datetime) -> JsonObject | None:
    """The status patch that puts answers down; None where there is no question that they answer.

    The first answer counts. Answers to questions that are not, or no longer, asked are dropped.
    """
    if task.terminal or not any(request.key in given for request in outstanding(task)):
        return None
    merged = [
        request if request.answered or request.key not in given else _with(request, given[request.key])
        for request in task.status.input_requests or ()
    ]
    return {"status": _status(task, merged, now)}


def _with(request: InputRequest, answer: Answer) -> InputRequest:
    return request.model_copy(update={"response_text": answer.text, "error": answer.error})


def _status(task: McpTask, requests: Sequence[InputRequest], now: datetime) -> JsonObject:
    open_ = [request for request in requests if not request.answered]
    phase, reason = (Phase.INPUT_REQUIRED, Reason.INPUT_REQUIRED) if open_ else (Phase.WORKING, Reason.RUNNING)
    since = task.status.input_since
    status: JsonObject = {
        "phase": phase.value,
        "reason": reason.value,
        "message": summary(open_) if open_ else None,
        "lastUpdatedAt": timestamp(now),
        "inputRequests": [_dump(request) for request in requests] or None,
        "inputSince": timestamp(since or now) if open_ else None,
        "conditions": conditions(task, now, Condition(type=SUCCEEDED, status="Unknown", reason=reason.value)),
    }
    if since is not None and not open_:
        status["inputWaitMs"] = round(waited(task, now) / timedelta(milliseconds=1))
    return status


def _dump(request: InputRequest) -> JsonObject:
    dumped = request.dump()
    if request.created_at is not None:
        dumped["createdAt"] = timestamp(request.created_at)
    return dumped


def summary(requests: Iterable[InputRequest]) -> str:
    """What is being asked, for people and models."""
    text = "waiting for input: " + "; ".join(request.message or request.method for request in requests)
    return without_middle(text, MAX_STATUS_MESSAGE)


def _check(task: McpTask, questions: Sequence[InputRequest]) -> None:
    if not task.spec.input_timeout_seconds:
        raise QuestionError(CANNOT_ASK)
    if len(questions) > MAX_QUESTIONS:
        raise QuestionError(f"a task may ask {MAX_QUESTIONS} questions at once, not {len(questions)}")
    if len({question.key for question in questions}) < len(questions):
        raise QuestionError("two questions have the same key")
    total = sum(len(question.params_text.encode()) for question in questions)
    if total > MAX_QUESTIONS_BYTES:
        raise QuestionError(
            f"the questions that a task has at once may have {MAX_QUESTIONS_BYTES} bytes of JSON, not {total}"
        )
    for question in questions:
        size = len(question.params_text.encode())
        if size > MAX_QUESTION_BYTES:
            raise QuestionError(f"a question may have {MAX_QUESTION_BYTES} bytes of JSON, not {size}")
