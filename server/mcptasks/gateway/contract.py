"""What the gateway and a runner tell each other, as JSON over HTTP.

| call | answer |
|---|---|
| `GET /v1/assignment` | `Assignment`; claims the attempt for the calling Pod |
| `POST /v1/progress` `ProgressReport` | 204 |
| `POST /v1/input` `InputReport` | `InputAnswers`; from now on these, and no others, are the task's questions |
| `GET /v1/input?seconds=20` | `InputAnswers`, as soon as there is one, at the latest after that many seconds |
| `POST /v1/outcome` `Outcome` | 204; may be repeated |

The bearer token is the Pod's projected ServiceAccount token. Refusals carry a `Refusal`: 401 for a token that is not
valid, 403 for one that belongs to no task's Pod, 409 where a newer attempt has taken over, 410 where the task has ended
or is gone. Anything else may be tried again.

A worker, which runs tasks of one template in processes of its own, asks for work in another way, and says with each of
the other calls which attempt it is about, in the headers `TASK_HEADER`, `TASK_UID_HEADER` and `ATTEMPT_HEADER`:

| call | answer |
|---|---|
| `GET /v1/work?module=...&concurrency=...&load=...&holds=...` | a stream that stays open, an `Order` on each line |
| `POST /v1/outcome` `WorkerOutcome` | 204; no process of the attempt is left when it is sent |

The stream carries something every `ALIVE_SECONDS`. A worker that has heard nothing for `SILENCE_SECONDS` connects anew,
and names all attempts whose outcomes are not acknowledged; so does one whose outcome was refused. It is told again to
run what is claimed for it and not named, so an order to run an attempt that it has ever had is nothing to it.

The runner's exit codes, `RunnerExitCode`, stand here too: by them the operator knows a runner that could not reach the
gateway, and the Job controller a failure that is recorded already.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from mcptasks.model.base import Model
from mcptasks.model.task import Component, Principal, Reason, Request, TaskError, TaskUsage, TraceContext

ASSIGNMENT_PATH = "/v1/assignment"
PROGRESS_PATH = "/v1/progress"
OUTCOME_PATH = "/v1/outcome"
INPUT_PATH = "/v1/input"
WORK_PATH = "/v1/work"

TASK_HEADER = "Mcptasks-Task"
TASK_UID_HEADER = "Mcptasks-Task-Uid"
ATTEMPT_HEADER = "Mcptasks-Attempt"

MODULE_PARAMETER = "module"
"""Digest of the worker's module (`authoring.module_digest`)."""
CONCURRENCY_PARAMETER = "concurrency"
"""How many tasks the worker runs at the same time."""
LOAD_PARAMETER = "load"
"""How many seconds the worker took to load its module; only with its first connection."""
HOLDS_PARAMETER = "holds"
"""The attempts that the worker has and whose outcomes are not delivered: `<uid>:<attempt>`, separated by commas."""

ALIVE_SECONDS = 5.0
SILENCE_SECONDS = 15.0

MAX_LOG_TAIL_BYTES = 64 * 1024
"""How much of the end of a task's output its worker hands in with the outcome, where the assignment asks for no more.
"""

MAX_LOG_BYTES = 16 * 1024 * 1024
"""More than this no assignment asks for."""

ESCAPED_BYTES = 6
"""Characters that JSON needs for one byte of output at most."""

MAX_QUESTION_MESSAGE = 1024
"""Characters. The runner cuts a longer one before it sends it."""


class RunnerExitCode(IntEnum):
    """How the runner's own process ends. Other codes are 128 + n for signal n, and whatever a component exits with.

    65, 66, 69 and 75 are EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE and EX_TEMPFAIL of `sysexits.h`.
    """

    OUTCOME_RECORDED = 0
    """The outcome is recorded, or the task was over already."""

    CRASHED = 1

    FAILURE_RECORDED = 65
    """The runner could not run the component and has recorded why: another attempt would change nothing."""

    MODULE_NOT_LOADED = 66
    """A worker could not load its module; the container's termination message says why."""

    WORKER_GIVEN_UP = 69
    """A worker could make no processes any more, and has ended once all outcomes of what it had begun were delivered:
    a task that is claimed for it has not been begun."""

    GATEWAY_UNREACHABLE = 75
    """The outcome could not be delivered in the time that the Pod had."""

    INTERRUPTED = 130


class Assignment(Model):
    """All that a runner needs to know of its task.

    `max_log_bytes` is how much of what the task prints its worker hands in: of more, the beginning and the end. Where
    it is 0 that is the end alone, `MAX_LOG_TAIL_BYTES` of it.
    """

    task_id: str
    namespace: str
    uid: str
    attempt: int
    server: str
    component: Component
    arguments_text: str = "{}"
    request: Request = Field(default_factory=Request)
    principal: Principal | None = None
    trace_context: TraceContext | None = None
    module: str | None = None
    timeout_seconds: int | None = None
    progress_interval_seconds: float = 1.0
    max_result_bytes: int
    max_log_bytes: int = 0
    show_exceptions: bool = False


class ProgressReport(Model):
    """How far the tool is."""

    current: float = 0
    total: float | None = None
    message: str | None = None


class Question(Model):
    """Something that the tool asks the caller: an MCP request, its params as JSON text.

    `key` is unique for the task's whole life; `message` says for people what is being asked.
    """

    key: str = Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")
    method: str = Field(min_length=1, max_length=128)
    params_text: str = "{}"
    message: str | None = Field(None, max_length=MAX_QUESTION_MESSAGE)


class InputReport(Model):
    """All questions that the tool waits for at the moment."""

    questions: list[Question] = Field(default_factory=list)


class InputAnswer(Model):
    """The caller's answer: a result as JSON text, or a JSON-RPC error."""

    key: str
    text: str | None = None
    error: TaskError | None = None


class InputAnswers(Model):
    """The answers that are there."""

    answers: list[InputAnswer] = Field(default_factory=list)


class ResultOutcome(Model):
    """The component answered. `text` is the result as JSON text, without the shape of any protocol version.

    `is_error` marks a tool's own error; `message` is its text, for the status. `detail` is what the tool raised, for
    those who may read the object, not for callers. `log_tail` is what the task printed, from a worker, or as much of it
    as the assignment asks for: the log of its Pod may be gone before the task is. `usage` is what the attempt has used:
    by the runner's own word, or by that of a worker, which has reaped the process. `process_seconds` is how long a
    worker took to have that process.
    """

    kind: Literal["result"] = "result"
    text: str
    is_error: bool = False
    message: str | None = None
    detail: str | None = None
    log_tail: str | None = None
    usage: TaskUsage | None = None
    process_seconds: float | None = Field(None, ge=0, allow_inf_nan=False)


class ErrorOutcome(Model):
    """The call ended with a JSON-RPC error. `detail` and what follows are as in `ResultOutcome`."""

    kind: Literal["error"] = "error"
    code: int
    message: str
    data_text: str | None = None
    detail: str | None = None
    log_tail: str | None = None
    usage: TaskUsage | None = None
    process_seconds: float | None = Field(None, ge=0, allow_inf_nan=False)


class FailureOutcome(Model):
    """The runner could not run the component, or could not deliver its result. `detail` is as in `ResultOutcome`."""

    kind: Literal["failure"] = "failure"
    reason: Reason
    message: str
    detail: str | None = None
    log_tail: str | None = None
    usage: TaskUsage | None = None
    process_seconds: float | None = Field(None, ge=0, allow_inf_nan=False)


class ProcessOutcome(Model):
    """The process that a worker ran the task in has ended and gave no answer, or was never made.

    Args:
        exit_code: what it exited with; None where a signal ended it, or where there was none.
        signal: number of the signal that ended it.
        oom_killed: the kernel ended it because the container had used up its memory.
        deadline_exceeded: the worker ended it because it had run for `timeout_seconds`.
        ordered: the gateway had ordered its end.
        worker_stopped: the worker ended it because its own Pod was asked to end.
        message: what else the worker knows.
    """

    kind: Literal["process"] = "process"
    exit_code: int | None = Field(None, ge=0, le=255)
    signal: int | None = Field(None, ge=1, le=64)
    oom_killed: bool = False
    deadline_exceeded: bool = False
    ordered: bool = False
    worker_stopped: bool = False
    message: str | None = None
    log_tail: str | None = None
    usage: TaskUsage | None = None
    process_seconds: float | None = Field(None, ge=0, allow_inf_nan=False)


class UnstartedOutcome(Model):
    """A worker gives an attempt back that it has not begun and never will: it ends, or has run all tasks that it may.

    The claim is undone, and no retry is used up.
    """

    kind: Literal["unstarted"] = "unstarted"
    message: str | None = None


Outcome = Annotated[ResultOutcome | ErrorOutcome | FailureOutcome, Field(discriminator="kind")]
WorkerOutcome = Annotated[
    ResultOutcome | ErrorOutcome | FailureOutcome | ProcessOutcome | UnstartedOutcome, Field(discriminator="kind")
]


class HeldAttempt(NamedTuple):
    """An attempt that a worker holds; as text `<uid>:<attempt>`."""

    uid: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.attempt}"


class PrepareOrder(Model):
    """Make a process for the task: the claim is being written."""

    kind: Literal["prepare"] = "prepare"
    task_id: str
    uid: str


class RunOrder(Model):
    """The claim stands: run the task. Comes again where the worker may not have read it."""

    kind: Literal["run"] = "run"
    uid: str
    assignment: Assignment


class WithdrawOrder(Model):
    """The claim did not come to be: throw the task's process away."""

    kind: Literal["withdraw"] = "withdraw"
    uid: str


class EndOrder(Model):
    """The attempt is cancelled, or over for another reason: SIGTERM, and SIGKILL after the grace period.

    The worker delivers an outcome all the same, which says that its processes are gone.
    """

    kind: Literal["end"] = "end"
    uid: str
    attempt: int
    message: str = ""


class DrainOrder(Model):
    """Take nothing new, and exit when nothing is held."""

    kind: Literal["drain"] = "drain"


class AliveOrder(Model):
    """There is nothing to say."""

    kind: Literal["alive"] = "alive"


Order = Annotated[
    PrepareOrder | RunOrder | WithdrawOrder | EndOrder | DrainOrder | AliveOrder, Field(discriminator="kind")
]
"""What the gateway tells a worker."""


class RefusalCode(StrEnum):
    """Why the gateway refused a call."""

    UNAUTHENTICATED = "Unauthenticated"
    NOT_A_TASK_POD = "NotATaskPod"
    SUPERSEDED = "Superseded"
    TASK_ENDED = "TaskEnded"
    TASK_GONE = "TaskGone"
    INVALID = "Invalid"
    UNAVAILABLE = "Unavailable"


class Refusal(Model):
    """The body of a refused call."""

    code: RefusalCode
    message: str
