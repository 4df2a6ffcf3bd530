"""Every setting of the server, the gateway, the operator and the runner: one class, one prefix, `MCPTASKS_`.

`mcptasks settings` prints this reference.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "MCPTASKS_"

KIB = 1024
MIB = 1024 * KIB

GATEWAY_AUDIENCE = "mcptasks.dev/gateway"
TOKEN_FILE = "/var/run/secrets/mcptasks.dev/token"


SECRET_CLAIMS = frozenset({"access_token", "id_token", "refresh_token", "token"})
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})


class Settings(BaseSettings):
    """Settings, each from the environment variable `MCPTASKS_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    @field_validator(
        "watch_namespaces",
        "allowed_hosts",
        "allowed_origins",
        "forward_headers",
        "forward_claims",
        "auth_audience",
        "auth_required_scopes",
        mode="before",
    )
    @classmethod
    def _split_at_commas(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("forward_headers")
    @classmethod
    def _no_secret_headers(cls, names: list[str]) -> list[str]:
        lowered = [name.lower() for name in names]
        if secret := sorted(SECRET_HEADERS.intersection(lowered)):
            raise ValueError(f"{', '.join(secret)} carries credentials, which never enter a task: leave it out")
        return lowered

    @field_validator("forward_claims")
    @classmethod
    def _no_tokens(cls, names: list[str]) -> list[str]:
        if secret := sorted(SECRET_CLAIMS.intersection(names)):
            raise ValueError(f"{', '.join(secret)} is a token, and tokens never enter a task: leave it out")
        return names

    @field_validator("runner_command", mode="before")
    @classmethod
    def _split_as_shell(cls, value: Any) -> Any:
        return shlex.split(value) if isinstance(value, str) else value

    # Cluster
    kubeconfig: Path | None = Field(
        None, description="Kubeconfig file; if unset, the Pod's service account or the default kubeconfig."
    )
    context: str | None = Field(None, description="Context of the kubeconfig.")
    namespace: str | None = Field(
        None, description="Namespace of the tasks; if unset, that of the Pod or of the kubeconfig's context."
    )
    watch_namespaces: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Namespaces that the operator serves, separated by commas: `namespace` if empty, all with `*`.",
    )

    # Logs
    log_format: Literal["human", "json"] = Field("human", description="human or json.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged.")

    # Metrics
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of /metrics of server and operator, for Prometheus; none if unset, 0 picks a free one.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address of /metrics.")

    # Server
    server_name: str = Field("default", max_length=63, description="Name of this MCP server in `spec.server`.")
    module: str | None = Field(
        None,
        description=(
            "The user's server: `path/to/server.py[:name]` or `package.module[:name]`. Further ones, after "
            "commas, are mounted on the first, with a prefix as in `server.py,geo=maps.py`."
        ),
    )
    host: str = Field("127.0.0.1", description="Address that the MCP endpoint listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port of the MCP endpoint; 0 picks a free one.")
    path: str = Field("/mcp", pattern=r"^/\S*$", description="Path of the MCP endpoint.")
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Host headers that are accepted besides the loopback ones, separated by commas; `*` accepts all.",
    )
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Origin headers that are accepted, separated by commas; `*` accepts all."
    )
    forward_headers: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "HTTP headers of a call that its component may read, inline and in a Job, separated by commas. "
            "They are kept in the McpTask, so headers that carry secrets are not allowed."
        ),
    )
    forward_claims: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "Claims of a caller's access token that components may read, inline and in a Job, besides client "
            "id, issuer, subject and scopes; separated by commas. They are kept in the McpTask."
        ),
    )
    max_body_bytes: int = Field(4 * MIB, ge=1, description="Largest request body; larger ones get HTTP 413.")
    max_arguments_bytes: int = Field(256 * KIB, ge=1, description="Largest size of a task's arguments, as JSON text.")
    default_ttl_seconds: int = Field(3600, ge=0, description="How long a task can be read if the call does not say.")
    max_ttl_seconds: int = Field(604_800, ge=1, description="Longest ttl; longer ones are reduced to it.")
    max_tasks_per_caller: int = Field(
        1000,
        ge=0,
        description=(
            "Unfinished tasks that one caller may have; further calls are refused. Callers without a token "
            "count as one. 0 means no limit."
        ),
    )
    max_polls_per_second: float = Field(
        100.0,
        ge=0,
        description=(
            "How many times a second one caller may ask one replica about one task, with bursts of up to "
            "twice as many; anything beyond is refused. 0 means no limit."
        ),
    )
    max_fresh_reads_per_second: float = Field(
        100.0,
        ge=0,
        description=(
            "How many polls a second of unfinished tasks one replica answers with what the API server says, "
            "with bursts of up to twice as many; the rest are answered with what its watch has brought, which "
            "may be a moment old. 0 means no limit."
        ),
    )
    max_subscriptions_per_caller: int = Field(
        1000,
        ge=0,
        description=(
            "Subscriptions to changes that one caller may have open at one replica; further ones are refused. "
            "Callers without a token count as one. 0 means no limit."
        ),
    )
    default_timeout_seconds: int = Field(
        3600, ge=1, description="Run time of an attempt if neither tool nor template says."
    )
    default_input_timeout_seconds: int = Field(
        3600,
        ge=0,
        le=31_622_400,
        description="How long, in all, a task may wait for input if the tool does not say; with 0 tools cannot ask.",
    )
    default_poll_interval_seconds: float = Field(
        1.0, gt=0, le=3600, description="How often clients are asked to poll if the tool does not say."
    )
    single_user: bool = Field(
        False, description="Treat all callers as one user: tasks can be listed without authentication."
    )
    task_tools: bool = Field(
        False,
        description=(
            "Offer task_status, task_result and task_cancel as tools, and answer calls of clients without "
            "tasks with the id of a task, as text. `TaskConfig(without_tasks=...)` of a tool takes "
            "precedence."
        ),
    )
    request_state_keys: SecretStr | None = Field(
        None,
        description=(
            "Keys of at least 32 characters, separated by commas, the same for all replicas. With them, a "
            "call that is asked something before its task exists can be continued at any replica: the first "
            "key seals its state, all of them open it. Without keys, only the process that asked can continue "
            "the call."
        ),
    )
    drain_seconds: float = Field(
        5.0,
        ge=0,
        description=(
            "How long a stopping server waits for calls to end before it answers them with an error that says so."
        ),
    )

    # Authentication
    auth_issuer: str | None = Field(
        None, description="Issuer of the callers' tokens, which are JSON Web Tokens: exactly their `iss`."
    )
    auth_audience: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "Accepted audiences, separated by commas: a token's `aud` must name one of them. Usually the URL "
            "that clients use."
        ),
    )
    auth_jwks_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="Where the issuer's public keys are (its `jwks_uri`)."
    )
    auth_subject_claim: str = Field(
        "sub", min_length=1, description="Claim that identifies the caller; tasks belong to client, issuer and caller."
    )
    auth_required_scopes: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Scopes that every token must have, separated by commas."
    )
    auth_resource_url: str | None = Field(
        None,
        description=(
            "The endpoint's URL for clients, in its metadata as an OAuth resource; if unset, an audience that is a URL."
        ),
    )
    auth_tokens: Path | None = Field(
        None,
        description=(
            "Tokens handed out by hand, besides or instead of an issuer's: a folder with one file for each "
            "caller, such as a mounted Secret, or a file of lines `name: token`. Read again when they change."
        ),
    )

    # Gateway
    gateway_host: str = Field("127.0.0.1", description="Address that the gateway listens on. Never expose it.")
    gateway_port: int = Field(8001, ge=0, le=65535, description="Port of the gateway; 0 picks a free one.")
    gateway_url: str = Field(
        "http://127.0.0.1:8001", description="Where task Pods find the gateway (operator and runner)."
    )
    gateway_audience: str = Field(GATEWAY_AUDIENCE, description="Audience of the task Pods' tokens.")

    # Results
    redis_url: SecretStr | None = Field(None, description="Redis for results that are too large for an object.")
    redis_prefix: str = Field("mcptasks", description="Prefix of all keys in Redis.")
    inline_result_bytes: int = Field(
        64 * KIB, ge=0, description="Largest result that is kept in the object itself if there is Redis."
    )
    max_result_bytes: int = Field(64 * MIB, ge=1, description="Largest result if there is Redis.")
    max_result_bytes_without_redis: int = Field(
        MIB, ge=1, le=MIB + MIB // 4, description="Largest result if there is no Redis; all are kept in the object."
    )
    result_floor_seconds: float = Field(
        30.0, ge=1, description="How long the result of a task that outlived its ttl can still be read."
    )

    # Operator
    workers: int = Field(64, ge=1, le=1024, description="Tasks that the operator works on at the same time.")
    resync_seconds: float = Field(120.0, ge=1, description="How often the operator lists everything again.")
    lease_name: str = Field("mcptasks-operator", description="Lease that the leading operator holds.")
    lease_namespace: str | None = Field(None, description="Namespace of the lease; `namespace` if unset.")
    lease_seconds: int = Field(15, ge=2, description="A leader that does not renew for this long is replaced.")
    lease_renew_seconds: float = Field(10.0, gt=0, description="A leader that cannot renew for this long steps down.")
    lease_retry_seconds: float = Field(2.0, gt=0, description="How often operators try to get or renew the lease.")
    liveness_port: int = Field(8081, ge=0, le=65535, description="Port of the operator's /healthz; 0 picks a free one.")
    liveness_host: str = Field("127.0.0.1", description="Address of the operator's /healthz.")
    runner_image: str = Field("mcptasks:latest", description="Image of task Pods if their template names none.")
    runner_command: Annotated[list[str], NoDecode] = Field(
        default_factory=lambda: ["mcptasks", "run"], description="Command of task Pods if their template has none."
    )
    start_deadline_seconds: int = Field(
        300, ge=1, description="How long a task waits for its Pod to start if the template does not say."
    )
    log_tail_lines: int = Field(
        20, ge=0, le=200, description="How many lines of the log a failure's message ends with."
    )

    # Runner
    token_file: Path = Field(Path(TOKEN_FILE), description="The Pod's token for the gateway.")
    grace_seconds: float = Field(
        30.0, ge=0, description="Time from SIGTERM to SIGKILL; the operator sets it to the Pod's grace period."
    )
    progress_interval_seconds: float = Field(
        1.0, ge=0.05, description="Shortest time between two progress reports of a task."
    )
