"""McpTask: one MCP call as a Kubernetes object. The source of its CRD.

The server and the operator read and write objects by these models, and the embedded cluster enforces their rules.
Field descriptions are what `kubectl explain` prints.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from mcptasks.model.base import API_VERSION, FreeFormObject, Model, ObjectMeta, Timestamp

DEFAULT_TEMPLATE = "default"

MAX_STATUS_MESSAGE = 32_768
MAX_PROGRESS_MESSAGE = 4096
MAX_CONDITION_MESSAGE = 1024
MAX_LOG_TAIL = 8192
"""Lengths in characters. Whoever writes a status cuts longer texts; the CRD refuses all but the third."""


class Phase(StrEnum):
    """Where a task is in its life, in the protocol's own words."""

    WORKING = "working"
    INPUT_REQUIRED = "input_required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL_PHASES


TERMINAL_PHASES = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED})


class Reason(StrEnum):
    """Why a task is in its phase. A stable set: programs may depend on these words."""

    # working
    PENDING = "Pending"
    RUNNING = "Running"
    RETRYING = "Retrying"
    # input_required
    INPUT_REQUIRED = "InputRequired"
    # completed
    COMPLETED = "Completed"
    # failed, by the tool's own word
    TOOL_ERROR = "ToolError"
    REQUEST_ERROR = "RequestError"
    INPUT_TIMEOUT = "InputTimeout"
    # failed, because the outcome did not arrive
    RESULT_MISSING = "ResultMissing"
    RESULT_TOO_LARGE = "ResultTooLarge"
    RESULT_NOT_SERIALIZABLE = "ResultNotSerializable"
    GATEWAY_UNREACHABLE = "GatewayUnreachable"
    # failed, because the tool could not be run as asked
    TEMPLATE_NOT_FOUND = "TemplateNotFound"
    INVALID_TEMPLATE = "InvalidTemplate"
    MODULE_NOT_LOADABLE = "ModuleNotLoadable"
    COMPONENT_NOT_FOUND = "ComponentNotFound"
    INVALID_ARGUMENTS = "InvalidArguments"
    NAME_CONFLICT = "NameConflict"
    RESTORED = "Restored"
    # failed, from Pod facts
    IMAGE_PULL_BACK_OFF = "ImagePullBackOff"
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    CONTAINER_CANNOT_RUN = "ContainerCannotRun"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    POD_REJECTED = "PodRejected"
    VOLUME_MOUNT_FAILED = "VolumeMountFailed"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    OOM_KILLED = "OOMKilled"
    EXIT_CODE = "ExitCode"
    KILLED_BY_SIGNAL = "KilledBySignal"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    PREEMPTED = "Preempted"
    # cancelled
    CANCELLED_BY_CALLER = "CancelledByCaller"
    CANCELLED_BY_SPEC = "CancelledBySpec"
    JOB_DELETED = "JobDeleted"


class ComponentKind(StrEnum):
    """What kind of MCP component a task runs."""

    TOOL = "tool"
    PROMPT = "prompt"
    RESOURCE = "resource"
    RESOURCE_TEMPLATE = "resourceTemplate"


class Component(Model):
    """The MCP component that the task runs."""

    kind: ComponentKind = Field(
        ComponentKind.TOOL, description="Kind of component: tool, prompt, resource or resourceTemplate."
    )
    name: str = Field(
        min_length=1,
        max_length=1024,
        description="Name of the tool or prompt, or the URI of the resource.",
    )


class TemplateRef(Model):
    """Names the McpTaskTemplate, in the task's own namespace, that says how the task runs."""

    name: str = Field(min_length=1, max_length=253, description="Name of the McpTaskTemplate.")


class Principal(Model):
    """Who called. Only this principal sees the task through MCP."""

    client_id: str | None = Field(None, description="OAuth client that the call came from.")
    issuer: str | None = Field(None, description="Issuer of the access token.")
    subject: str | None = Field(None, description="Subject (user) of the access token.")
    scopes: list[str] | None = Field(None, description="Scopes of the access token.")
    claims: FreeFormObject = Field(None, description="Claims of the access token that MCPTASKS_FORWARD_CLAIMS names.")


class TraceContext(Model):
    """W3C Trace Context of the call, carried on to the Pod."""

    traceparent: str | None = Field(None, max_length=256, description="W3C traceparent header.")
    tracestate: str | None = Field(None, max_length=1024, description="W3C tracestate header.")
    baggage: str | None = Field(None, max_length=8192, description="W3C baggage header.")


class Request(Model):
    """What the component may know of the MCP request besides its arguments."""

    protocol_version: str | None = Field(
        None, description="MCP protocol version of the call; decides the shape of messages to the caller."
    )
    meta: FreeFormObject = Field(None, description="The request's _meta, without the protocol's own envelope keys.")
    client_info: FreeFormObject = Field(None, description="Name and version of the calling MCP client.")
    client_capabilities: FreeFormObject = Field(None, description="Capabilities that the calling client declared.")
    headers: dict[str, str] | None = Field(
        None, description="Headers of the HTTP request that MCPTASKS_FORWARD_HEADERS names."
    )
    input_responses: FreeFormObject = Field(
        None, description="Answers to what was asked before the task was made, by key."
    )
    request_state: str | None = Field(None, description="What the component remembers of the rounds before the task.")


class McpTaskSpec(Model):
    """What to run, for whom and within which limits. Immutable, except that `cancel` may become true."""

    server: str = Field(
        "default", min_length=1, max_length=63, description="Name of the MCP server that serves this task."
    )
    component: Component = Field(description="The tool, prompt or resource to run.")
    arguments: FreeFormObject = Field(
        default_factory=dict, description="Arguments of the call, a JSON object. Admission policies may read it."
    )
    arguments_text: str | None = Field(
        None,
        description=(
            "The arguments as exact JSON text. Set by the server only where the object above cannot carry them "
            "(integers beyond 64 bits, floats without a fraction); both must agree."
        ),
    )
    template_ref: TemplateRef = Field(
        default_factory=lambda: TemplateRef(name=DEFAULT_TEMPLATE),
        description="The McpTaskTemplate that says how the task runs; `default` where unset.",
    )
    ttl_ms: int | None = Field(
        None,
        ge=0,
        le=31_622_400_000,
        description=(
            "Milliseconds from creation for which the task can be read. Never ends running work: a task that "
            "finishes later stays readable for a short time. The template's retention applies where unset."
        ),
    )
    timeout_seconds: int | None = Field(
        None,
        ge=1,
        le=31_622_400,
        description="Seconds that each attempt may run before it is killed; the template's value where unset.",
    )
    input_timeout_seconds: int | None = Field(
        None,
        ge=1,
        le=31_622_400,
        description=(
            "Seconds, in all, that an attempt may wait for answers of its caller. The run time stands still while it "
            "waits. A task without this cannot ask anything."
        ),
    )
    retries: int = Field(
        0,
        ge=0,
        le=100,
        description="How often the process is started again after it crashed. The tool's own errors are never retried.",
    )
    idempotent: bool = Field(
        False,
        description="True if the tool may run twice without harm; then disruptions (eviction, node loss) are retried.",
    )
    max_concurrent: int | None = Field(
        None,
        ge=1,
        description=(
            "How many tasks of this component may run at a time; further ones wait their turn. The newest task's value "
            "holds for all."
        ),
    )
    max_running_per_caller: int | None = Field(
        None,
        ge=1,
        description=(
            "How many of the caller's tasks may run at a time; further ones wait. The newest one's value holds for all."
        ),
    )
    poll_interval_ms: int | None = Field(
        None, ge=1, le=3_600_000, description="Milliseconds that clients are asked to wait between polls."
    )
    principal: Principal | None = Field(None, description="Who called; absent for tasks made with kubectl.")
    request: Request | None = Field(None, description="The MCP request that made this task.")
    trace_context: TraceContext | None = Field(None, description="W3C Trace Context of the call.")
    idempotency_key: str | None = Field(
        None, max_length=256, description="Hash of the caller's idempotency key; a repeated call is the same task."
    )
    cancel: bool = Field(False, description="Set to true to cancel the task: its Job is deleted. Cannot be undone.")


class TaskProgress(Model):
    """How far the tool says it is."""

    current: float = Field(0, description="Progress made so far, in the tool's own unit.")
    total: float | None = Field(None, description="Where progress ends, in the same unit, if known.")
    message: str | None = Field(None, max_length=MAX_PROGRESS_MESSAGE, description="What the tool is doing.")
    display: str | None = Field(None, max_length=128, description="The same for people, for example `45% (9/20)`.")


class ResultRecord(Model):
    """The result as JSON text, so that no number changes on its way, or where to find it."""

    text: str | None = Field(None, description="The result as JSON text, where it is small enough to be kept here.")
    ref: str | None = Field(None, description="Key of the result in the result store, where it is not kept here.")
    size_bytes: int = Field(0, description="Size of the JSON text in bytes (UTF-8).")
    sha256: str | None = Field(None, description="SHA-256 of the JSON text, in hex.")


class TaskError(Model):
    """The JSON-RPC error that the call ended with."""

    code: int = Field(description="JSON-RPC error code.")
    message: str = Field(description="What went wrong.")
    data_text: str | None = Field(None, description="The error's data as JSON text.")


class InputRequest(Model):
    """A question that the running tool has put to the caller."""

    key: str = Field(description="Unique for the task's whole life.")
    method: str = Field(description="MCP method of the request, for example elicitation/create.")
    params_text: str = Field("{}", description="Params of the request as JSON text.")
    message: str | None = Field(None, description="What is being asked, for people.")
    created_at: Timestamp = Field(None, description="When the tool asked.")
    response_text: str | None = Field(None, description="The answer as JSON text, once it is there.")
    error: TaskError | None = Field(None, description="The JSON-RPC error that the caller answered with instead.")

    @property
    def answered(self) -> bool:
        """Whether the caller has answered."""
        return self.response_text is not None or self.error is not None


class Condition(Model):
    """A Kubernetes condition."""

    type: str = Field(description="What it is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field("", description="Machine-readable reason of the last change, CamelCase.")
    message: str = Field("", description="Reason of the last change, for people.")
    last_transition_time: Timestamp = Field(None, description="When the status last changed.")
    observed_generation: int | None = Field(None, description="Generation of the spec that this is about.")


class LogRecord(Model):
    """The end of what an attempt printed, kept because the log of its Pod may be gone before the task is."""

    text: str | None = Field(None, description="The text, where it is short.")
    gzip: str | None = Field(None, description="The text in UTF-8, compressed by gzip, in base64, where it is longer.")
    attempt: int | None = Field(None, description="The attempt that printed it.")
    cut: bool | None = Field(None, description="True where earlier lines are missing.")
    stored: ResultRecord | None = Field(
        None,
        description="Where earlier lines are missing: the log in the store of results, up to MCPTASKS_MAX_LOG_BYTES.",
    )


class TaskUsage(Model):
    """What a task has used, as its Pods say: with it teams are charged."""

    wall_seconds: float = Field(ge=0, allow_inf_nan=False, description="Seconds that its attempts ran, in all.")
    cpu_seconds: float = Field(
        ge=0,
        allow_inf_nan=False,
        description="Seconds of CPU of its attempts, in all: of their processes and all that these have started.",
    )
    peak_memory_bytes: int = Field(
        ge=0,
        le=2**53,
        description=(
            "Resident memory of its largest process at its largest. In a worker that counts what the process shares "
            "with the others, as the module that it has loaded."
        ),
    )

    def plus(self, other: TaskUsage) -> TaskUsage:
        """Both one after the other."""
        return TaskUsage(
            wall_seconds=round(self.wall_seconds + other.wall_seconds, 3),
            cpu_seconds=round(self.cpu_seconds + other.cpu_seconds, 3),
            peak_memory_bytes=max(self.peak_memory_bytes, other.peak_memory_bytes),
        )


class McpTaskStatus(Model):
    """What has become of the task. A terminal phase never changes."""

    phase: Phase | None = Field(
        None, description="working, input_required, completed, failed or cancelled; none means working."
    )
    reason: str | None = Field(None, description="Why, in one stable CamelCase word.")
    message: str | None = Field(None, max_length=MAX_STATUS_MESSAGE, description="Why, for people and models.")
    progress: TaskProgress | None = Field(None, description="How far the tool says it is.")
    last_updated_at: Timestamp = Field(None, description="When what a client can see last changed.")
    admitted_at: Timestamp = Field(
        None,
        description=(
            "When the operator gave the task one of the places that its limits (spec.maxConcurrent, "
            "spec.maxRunningPerCaller) leave. It has it until no process of it is left."
        ),
    )
    tasks_ahead: int | None = Field(
        None, ge=0, description="How many tasks were to start before this one, while it waits; about right."
    )
    started_at: Timestamp = Field(None, description="When the current attempt began to run.")
    finished_at: Timestamp = Field(None, description="When the phase became terminal.")
    expires_at: Timestamp = Field(None, description="When the task and its result are removed.")
    job_name: str | None = Field(None, description="Name of the task's Job.")
    executor: Literal["Job", "Warm"] | None = Field(
        None, description="What runs the task: a Pod of its Job, or a worker (Warm). Set when it begins to run."
    )
    pod_name: str | None = Field(None, description="Name of the current attempt's Pod.")
    pod_uid: str | None = Field(None, description="Uid of the current attempt's Pod; reports of others are refused.")
    node_name: str | None = Field(None, description="Node of the current attempt's Pod.")
    attempts: int | None = Field(None, ge=0, description="How many times the process was started.")
    retries_used: int | None = Field(
        None,
        ge=0,
        description=(
            "How many of spec.retries have been used. An attempt that makes up for a disruption of an idempotent tool "
            "uses up none."
        ),
    )
    retry_after: Timestamp = Field(
        None, description="Before this no worker takes the task: its last attempt has failed. Unset while one runs it."
    )
    exit_code: int | None = Field(None, description="Exit code of the last attempt's container, if it failed.")
    result: ResultRecord | None = Field(None, description="The result, once there is one.")
    log: LogRecord | None = Field(
        None,
        description="The end of what the last attempt printed, if a worker ran it or there is a store of results.",
    )
    usage: TaskUsage | None = Field(
        None, description="What the attempts have used that could say so: one that was killed with its Pod could not."
    )
    error: TaskError | None = Field(None, description="The JSON-RPC error, if the call ended with one.")
    log_tail: str | None = Field(
        None,
        max_length=MAX_LOG_TAIL,
        description=(
            "What the process printed last, where it died without a result; for those who may read this object. "
            "Callers see it only where MCPTASKS_SHOW_LOG_LINES says so."
        ),
    )
    input_requests: list[InputRequest] | None = Field(
        None, description="Questions of the running tool; each stays until the tool has its answer."
    )
    input_since: Timestamp = Field(None, description="Since when the task has been waiting for answers.")
    input_wait_ms: int | None = Field(
        None, ge=0, description="Milliseconds that the attempt has waited for answers before that, in all."
    )
    questions_asked: int | None = Field(None, ge=0, description="How many questions the task has asked so far, in all.")
    trace_sent: bool | None = Field(
        None, description="True once the operator has sent the spans of this task's life to the trace collector."
    )
    observed_generation: int | None = Field(None, description="Generation of the spec that the operator last saw.")
    conditions: list[Condition] | None = Field(
        None,
        description="Succeeded (the summary), Scheduled, ResultRecorded, PodsTerminated.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )

    def condition(self, kind: str) -> Condition | None:
        """The condition of the given type, if it is there."""
        return next((c for c in self.conditions or () if c.type == kind), None)


class McpTask(Model):
    """One MCP call that runs as one Kubernetes Job."""

    api_version: Literal["mcptasks.dev/v1alpha1"] = API_VERSION
    kind: Literal["McpTask"] = "McpTask"
    metadata: ObjectMeta
    spec: McpTaskSpec = Field(description="What to run. Immutable, except that `cancel` may become true.")
    status: McpTaskStatus = Field(default_factory=McpTaskStatus, description="What has become of it.")

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def waits_for_place(self) -> bool:
        """Whether limits keep the task from starting until the operator gives it a place."""
        limited = self.spec.max_concurrent is not None or self.spec.max_running_per_caller is not None
        return limited and self.status.admitted_at is None

    @property
    def phase(self) -> Phase:
        """The phase; a task without one is working."""
        return self.status.phase or Phase.WORKING

    @property
    def terminal(self) -> bool:
        return self.phase.terminal
