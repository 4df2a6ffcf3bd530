"""All settings of the server, the gateway, the operator and the runner.

The descriptions are what `mcptasks settings` prints and docs/settings.md shows.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
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
    """The settings, each read from the environment variable `MCPTASKS_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    @field_validator(
        "watch_namespaces",
        "allowed_hosts",
        "allowed_origins",
        "dashboard_trusted_proxies",
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

    @field_validator("runner_command", "worker_command", mode="before")
    @classmethod
    def _split_as_shell(cls, value: Any) -> Any:
        return shlex.split(value) if isinstance(value, str) else value

    # Cluster
    kubeconfig: Path | None = Field(
        None, description="Kubeconfig file. If unset, the Pod's service account or the default kubeconfig is used."
    )
    context: str | None = Field(None, description="Context to use from the kubeconfig.")
    namespace: str | None = Field(
        None, description="Namespace of the tasks. If unset, the namespace of the Pod or of the kubeconfig's context."
    )
    watch_namespaces: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "Namespaces that the operator serves, separated by commas; `*` means all. If empty, only "
            "`MCPTASKS_NAMESPACE`."
        ),
    )

    # Logs
    log_format: Literal["human", "json"] = Field("human", description="Log format: `human` or `json`.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level to log.")

    # Metrics
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description=(
            "Port on which server and operator serve /metrics for Prometheus; 0 picks a free one. If unset, metrics "
            "are not served."
        ),
    )
    metrics_host: str = Field("127.0.0.1", description="Address that /metrics listens on.")

    # Server
    server_name: str = Field(
        "default", max_length=63, description="Name of this MCP server, as in a task's `spec.server`."
    )
    cancelled_calls: str = Field(
        "mcptasks-cancelled-calls",
        min_length=1,
        max_length=253,
        description=(
            "Name of the ConfigMap by which the replicas of a server tell each other of calls that their clients have "
            "cancelled. It keeps nothing for longer than a moment."
        ),
    )
    module: str | None = Field(
        None,
        description=(
            "The user's server, as `path/to/server.py[:name]` or `package.module[:name]`. More of them, separated by "
            "commas, are mounted on the first one; `server.py,geo=maps.py` gives the second the prefix `geo`."
        ),
    )
    host: str = Field("127.0.0.1", description="Address that the MCP endpoint listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port of the MCP endpoint; 0 picks a free one.")
    max_connections: int = Field(
        8192,
        ge=16,
        description=(
            "How many connections the endpoint may have open at one replica. A new one takes the place of one that has "
            "no request in progress, and is refused where there is none. The process's limit of open files is raised "
            "for them as far as it may be; where it is too low, there may be fewer."
        ),
    )
    health_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description=(
            "Port on which the server serves /healthz and /readyz besides the endpoint, whatever is done to that; 0 "
            "picks a free one. If unset, only the endpoint serves them."
        ),
    )
    health_host: str = Field("127.0.0.1", description="Address that the server's health port listens on.")
    path: str = Field(
        "/mcp",
        pattern=r"^/[^\s{}?#\x00-\x1f\x7f]*$",
        description="Path of the MCP endpoint; it is served with and without a slash at its end.",
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "Accepted values of the Host header besides the loopback addresses and the one that is listened on, "
            "separated by commas, with a port or for all ports. `*.example.com` accepts one label before the domain, "
            "as an Ingress does, `**.example.com` one or more, as `*.example.com` of an HTTPRoute does. `*` accepts "
            "all, and with it pages that rebind their name; origins are checked all the same."
        ),
    )
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "Origins whose web pages may call the endpoint and read its answers (CORS), besides those of the loopback "
            "addresses; separated by commas, as `https://chat.example.com`. `https://*.example.com` accepts one label, "
            "`https://**.example.com` one or more, `:*` as the port any port, `*` all origins."
        ),
    )
    forward_headers: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "HTTP headers of a call that its component can read, inline or in a task, separated by commas. They are "
            "stored in the McpTask, so headers that carry credentials are refused."
        ),
    )
    forward_claims: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "Claims of the caller's access token that components can read, inline or in a task, in addition to client "
            "id, issuer, subject and scopes; separated by commas. They are stored in the McpTask."
        ),
    )
    max_body_bytes: int = Field(
        4 * MIB, ge=1, description="Size limit of a request body in bytes; larger ones are answered with HTTP 413."
    )
    max_body_values: int = Field(
        100_000,
        ge=1,
        description=(
            "How many JSON values a request body may have, counting each object, array and element; with more it is "
            "answered with HTTP 413. A value of three bytes takes 70 in memory."
        ),
    )
    max_bodies_bytes: int = Field(
        128 * MIB,
        ge=1,
        description=(
            "Size, in bytes, of all request bodies that arrive at one replica at the same time, at most half of it for "
            "one caller; 64 KiB of each are not counted, and it is twice the limit of one body at least. What has no "
            "room waits for 3 seconds and is then refused with HTTP 503 and Retry-After. All callers without a token "
            "count as one."
        ),
    )
    max_arguments_bytes: int = Field(
        256 * KIB, ge=1, description="Size limit of a task's arguments in bytes of JSON text."
    )
    max_metadata_bytes: int = Field(
        64 * KIB,
        ge=1024,
        description=(
            "Size limit, in bytes of JSON text, of all that a task keeps of its call besides arguments and answers: "
            "`_meta`, the client's name and capabilities, the principal, forwarded headers and claims."
        ),
    )
    default_ttl_seconds: int = Field(
        3600,
        ge=0,
        description=(
            "How long a task stays readable if neither the call nor the tool sets a ttl, counted from its creation. "
            "Less, down to a minute, for callers that call so often that they would be refused otherwise "
            "(MCPTASKS_MAX_KEPT_TASKS_PER_CALLER)."
        ),
    )
    max_ttl_seconds: int = Field(604_800, ge=1, description="Longest ttl; a longer one is reduced to this.")
    max_tasks_per_caller: int = Field(
        1000,
        ge=0,
        description=(
            "How many unfinished tasks one caller may have; further calls are refused. All callers without a token "
            "count as one. 0 means no limit."
        ),
    )
    max_running_tasks_per_caller: int = Field(
        0,
        ge=0,
        description=(
            "How many tasks of one caller may run at a time, in all replicas; further ones wait their turn. All "
            "callers without a token count as one. 0 means no limit."
        ),
    )
    max_kept_tasks_per_caller: int = Field(
        20_000,
        ge=0,
        description=(
            "How many tasks of one caller may exist, those that have ended included; further calls are refused until "
            "one has expired. Callers of many tasks a second get shorter ttls before, where they ask for none. All "
            "callers without a token count as one. 0 means no limit."
        ),
    )
    max_kept_bytes_per_caller: int = Field(
        1024 * MIB,
        ge=0,
        description=(
            "Size of all tasks of one caller with their results, in bytes, beyond which further calls are refused "
            "until some have expired. All callers without a token count as one. 0 means no limit."
        ),
    )
    max_polls_per_second: float = Field(
        100.0,
        ge=0,
        description=(
            "How often per second one caller may poll one task at one replica, with bursts of up to twice as many "
            "polls; further polls are refused. 0 means no limit."
        ),
    )
    max_fresh_reads_per_second: float = Field(
        100.0,
        ge=0,
        description=(
            "How many polls of unfinished tasks per second one replica answers by reading the API server, with bursts "
            "of up to twice as many, at most half of them for one caller with a token. Other polls are answered from "
            "its watch cache, which may be a moment behind. "
            "Pieces of results that are in their tasks' objects count as well, and are refused beyond that. 0 means no "
            "limit."
        ),
    )
    max_unknown_ids_per_second: float = Field(
        10.0,
        ge=0,
        description=(
            "How many ids per second that are none of a caller's tasks one replica looks up at the API server for that "
            "caller, with bursts of up to twice as many, and ten times as many for all callers; further ones are "
            "refused. All callers without a token count as one. As many cancelled calls of other replicas are told to "
            "them. 0 means no limit."
        ),
    )
    max_answers_bytes: int = Field(
        128 * MIB,
        ge=1,
        description=(
            "Size, in bytes, of all results of more than 64 KiB that one replica reads and sends at the same time, at "
            "most half of it for one caller; a larger one is sent alone. What has no room waits for 3 seconds and is "
            "then refused with HTTP 503 and Retry-After. They take up to five times as much memory. A piece of a "
            "result counts twice, and with it all of a result that is in its task's object."
        ),
    )
    max_subscriptions_per_caller: int = Field(
        1000,
        ge=0,
        description=(
            "How many subscriptions one caller may have open at one replica; further ones are refused. All callers "
            "without a token count as one. 0 means no limit."
        ),
    )
    max_waiting_calls_per_caller: int = Field(
        1000,
        ge=0,
        description=(
            "How many calls of one caller may wait for tasks at one replica at the same time: those that are answered "
            "when their task has ended, and subscriptions, which count once for each of their tasks. Further ones are "
            "refused. All callers without a token count as one. 0 means no limit."
        ),
    )
    max_waiting_calls: int = Field(
        5000,
        ge=0,
        description=(
            "How many calls of all callers together may wait for tasks at one replica at the same time; each has a "
            "connection and about 100 kB of memory. Further ones are refused. 0 means no limit."
        ),
    )
    default_timeout_seconds: int = Field(
        3600, ge=1, description="Run time of an attempt if neither the tool nor the template sets one."
    )
    default_input_timeout_seconds: int = Field(
        3600,
        ge=0,
        le=31_622_400,
        description=(
            "How long, in total, a task may wait for input if the tool does not say. 0 means that tools cannot ask "
            "for input."
        ),
    )
    default_poll_interval_seconds: float = Field(
        1.0, gt=0, le=3600, description="Poll interval suggested to clients if the tool does not set one."
    )
    single_user: bool = Field(
        False, description="Treat all callers as the same user, so that tasks can be listed without authentication."
    )
    task_tools: bool = Field(
        False,
        description=(
            "Offer the tools task_status, task_result and task_cancel. A client that does not know tasks then gets "
            "the task's id, as text, as the answer to its call. `TaskConfig(without_tasks=...)` of a tool takes "
            "precedence."
        ),
    )
    show_exceptions: bool = Field(
        True,
        description=(
            "Tell callers what a tool, prompt or resource has raised: the exception's type and message, and the file "
            "names and lines of your own code that it passed through. `false` leaves them with the fact that it failed."
        ),
    )
    show_log_lines: bool = Field(
        False,
        description=(
            "Tell callers the last log lines of a task whose process died without a result (the task's "
            "`status.logTail`). Whoever may read the object sees them in any case. In `mcptasks dev` this is on."
        ),
    )
    task_log_resource: bool = Field(
        False,
        description=(
            "Let callers read all that is kept of what their own tasks have printed, as the resource "
            "`task://{task_id}/log`. Tools print secrets; see docs/security.md."
        ),
    )
    request_state_keys: SecretStr | None = Field(
        None,
        description=(
            "Keys of at least 32 characters each, separated by commas, the same on all replicas. With them, any "
            "replica can continue a call that asks for input before its task exists: the first key seals the call's "
            "state, and every key can open it. Without them, only the process that asked can continue the call."
        ),
    )
    drain_seconds: float = Field(
        5.0,
        ge=0,
        description=(
            "How long a server that is shutting down waits for calls to finish before it ends them with an error."
        ),
    )

    # Authentication
    auth_issuer: str | None = Field(
        None, description="Issuer of the callers' tokens (JSON Web Tokens), exactly as in their `iss` claim."
    )
    auth_audience: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "Accepted audiences, separated by commas: a token's `aud` must name one of them. Usually the URL that "
            "clients use."
        ),
    )
    auth_jwks_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="URL of the issuer's public keys (its `jwks_uri`)."
    )
    auth_subject_claim: str = Field(
        "sub",
        min_length=1,
        description="Claim that identifies the caller. A task belongs to its client, issuer and caller together.",
    )
    auth_required_scopes: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Scopes that every token must have, separated by commas."
    )
    auth_resource_url: str | None = Field(
        None,
        description=(
            "URL of the endpoint as clients see it, for its OAuth protected resource metadata. If unset, an audience "
            "that is a URL."
        ),
    )
    auth_tokens: Path | None = Field(
        None,
        description=(
            "Static tokens, in addition to or instead of an issuer's: a directory with one file per caller, such as a "
            "mounted Secret, or a file with lines of the form `name: token`. It is read again when it changes."
        ),
    )

    # Gateway
    gateway_host: str = Field(
        "127.0.0.1", description="Address that the gateway listens on. Never expose it outside the cluster."
    )
    gateway_port: int = Field(8001, ge=0, le=65535, description="Port of the gateway; 0 picks a free one.")
    max_gateway_connections: int = Field(
        4096,
        ge=16,
        description="The same as `MCPTASKS_MAX_CONNECTIONS` for the gateway: each running task has one or two.",
    )
    max_questions_per_task: int = Field(
        1000, ge=1, description="How many questions one task may ask its caller over its whole life."
    )
    gateway_url: str = Field(
        "http://127.0.0.1:8001", description="URL at which task Pods reach the gateway (operator and runner)."
    )
    gateway_audience: str = Field(GATEWAY_AUDIENCE, description="Audience of the task Pods' tokens for the gateway.")

    # Results
    redis_url: SecretStr | None = Field(
        None, description="URL of a Redis for results and logs that are too large for a Kubernetes object."
    )
    redis_prefix: str = Field("mcptasks", description="Prefix of all keys in Redis.")
    inline_result_bytes: int = Field(
        64 * KIB,
        ge=0,
        description="Largest result, in bytes, that is kept in the McpTask itself if there is a Redis.",
    )
    max_result_bytes: int = Field(
        64 * MIB, ge=1, description="Size limit of a result in bytes of JSON if there is a Redis."
    )
    max_result_piece_bytes: int = Field(
        MIB,
        ge=0,
        le=16 * MIB,
        description=(
            "Largest piece, in bytes, in which callers may read the results of their own tasks as the resource "
            "`task://{task_id}/result{?offset,length}`. 0 takes the resource away."
        ),
    )
    max_result_bytes_without_redis: int = Field(
        MIB,
        ge=1,
        le=MIB + MIB // 4,
        description=(
            "Size limit of a result in bytes of JSON without a Redis; every result is then kept in the McpTask. What a "
            "tool returns is in it twice, as text and as structured content, unless it has `structured_output=False`."
        ),
    )
    max_log_bytes: int = Field(
        MIB,
        ge=0,
        le=16 * MIB,
        description=(
            "How many bytes of a task's log are kept in Redis, if there is one, for as long as the task: of a longer "
            "one the beginning and the end. 0 keeps no logs there; the operator then keeps none at all."
        ),
    )
    result_floor_seconds: float = Field(
        30.0, ge=1, description="How long the result stays readable if the task ran for longer than its ttl."
    )

    # Operator
    workers: int = Field(64, ge=1, le=1024, description="How many tasks the operator works on at the same time.")
    resync_seconds: float = Field(120.0, ge=1, description="Interval at which the operator lists everything again.")
    lease_name: str = Field("mcptasks-operator", description="Name of the Lease that the leading operator holds.")
    lease_namespace: str | None = Field(None, description="Namespace of the Lease; `MCPTASKS_NAMESPACE` if unset.")
    lease_seconds: int = Field(
        15,
        ge=2,
        description="Another operator takes over from a leader that has not renewed the Lease for this long.",
    )
    lease_renew_seconds: float = Field(
        10.0, gt=0, description="A leader that has failed to renew the Lease for this long steps down."
    )
    lease_retry_seconds: float = Field(
        2.0, gt=0, description="Interval at which operators try to acquire or renew the Lease."
    )
    liveness_port: int = Field(8081, ge=0, le=65535, description="Port of the operator's /healthz; 0 picks a free one.")
    liveness_host: str = Field("127.0.0.1", description="Address that the operator's /healthz listens on.")
    runner_image: str = Field("mcptasks:latest", description="Image of task Pods whose template names none.")
    runner_command: Annotated[list[str], NoDecode] = Field(
        default_factory=lambda: ["mcptasks", "run"], description="Command of task Pods whose template has none."
    )
    worker_command: Annotated[list[str], NoDecode] = Field(
        default_factory=lambda: ["mcptasks", "worker"],
        description="Command of workers whose template has none.",
    )
    start_deadline_seconds: int = Field(
        300,
        ge=1,
        description=(
            "How long a task may wait for its Pod to start, and a worker may take to load its module, if the template "
            "does not say."
        ),
    )
    log_tail_lines: int = Field(
        20,
        ge=0,
        le=200,
        description=(
            "How many of its last log lines a task keeps whose process died without a result; they are in its "
            "`status.logTail`, which callers do not see."
        ),
    )

    # Worker
    worker_host: str | None = Field(
        None, description="Address that a worker's /readyz listens on. If unset, all of the Pod's addresses."
    )
    worker_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of a worker's /readyz. If unset, it is not served.",
    )
    worker_concurrency: int = Field(
        1, ge=1, description="How many tasks a worker runs at the same time. The operator sets it to the template's."
    )
    worker_tasks: int = Field(
        0, ge=0, description="How many tasks a worker runs in all; 0: no limit. The operator sets it to the template's."
    )

    # Dashboard
    dashboard_host: str = Field("127.0.0.1", description="Address that the dashboard listens on.")
    dashboard_port: int = Field(8090, ge=0, le=65535, description="Port of the dashboard; 0 picks a free one.")
    dashboard_auth: Literal["token", "proxy", "none"] = Field(
        "token",
        description=(
            "How viewers of the dashboard show who they are: `token`, with a token of the Kubernetes API; `proxy`, by "
            "headers of an authenticating proxy; `none`, not at all, on a loopback address only."
        ),
    )
    dashboard_trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description=(
            "Addresses or networks of the proxies in front of the dashboard, separated by commas, as in `10.0.3.0/24`. "
            "With `proxy`, they say who looks; with `token`, their `X-Forwarded-For` says from which address a token "
            "comes. The headers of others are not looked at."
        ),
    )
    dashboard_user_header: str = Field(
        "X-Forwarded-User", description="Header in which the authenticating proxy names the user."
    )
    dashboard_groups_header: str = Field(
        "X-Forwarded-Groups",
        description="Header in which the authenticating proxy names the user's groups, separated by commas.",
    )
    dashboard_key: SecretStr | None = Field(
        None,
        description=(
            "Secret with which the dashboard seals its cookies and forms; the same at all replicas. If unset, each "
            "process makes its own, and viewers sign in again after a restart."
        ),
    )
    dashboard_server_url: str | None = Field(
        None,
        description=("MCP endpoint whose tools the dashboard lists and calls. If unset, it has no page for them."),
    )
    dashboard_server_token_file: Path | None = Field(
        None, description="File with the bearer token that the dashboard sends to that endpoint."
    )
    dashboard_max_streams_per_viewer: int = Field(
        50,
        ge=1,
        description=(
            "How many pages one viewer of the dashboard may have open that follow what they show, each by a stream of "
            "events. Further ones are answered with HTTP 429, say so, and show what was when they were loaded. With "
            "`none` there is one viewer, for whom only `MCPTASKS_DASHBOARD_MAX_STREAMS` counts."
        ),
    )
    dashboard_max_streams: int = Field(
        500,
        ge=1,
        le=1500,
        description=(
            "How many such pages all viewers of one dashboard process may have open together. Its port takes 2048 "
            "connections."
        ),
    )

    # Runner
    token_file: Path = Field(Path(TOKEN_FILE), description="File with the Pod's token for the gateway.")
    grace_seconds: float = Field(
        30.0, ge=0, description="Time between SIGTERM and SIGKILL. The operator sets it to the Pod's grace period."
    )
    progress_interval_seconds: float = Field(
        1.0, ge=0.05, description="Shortest interval between two progress reports of a task."
    )


OTHER_VARIABLES = frozenset({"MCPTASKS_TOKEN", "MCPTASKS_TASK_ID"})
"""Variables with the prefix that are no settings: the token of commands that call a server, a task's id in its Pod."""

SIMILARITY = 0.8


def misspelt_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables with the prefix that name no setting but look like one, each with the one that was probably meant."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(
        name for name in environ if name.startswith(PREFIX) and name.upper() not in known | OTHER_VARIABLES
    )
    # Without the prefix, which would make all names alike.
    meant = {name.removeprefix(PREFIX): name for name in known}
    similar = {
        name: difflib.get_close_matches(name.removeprefix(PREFIX).upper(), meant, n=1, cutoff=SIMILARITY)
        for name in unknown
    }
    return {name: meant[found[0]] for name, found in similar.items() if found}


def told_of_misspelt(environ: Mapping[str, str]) -> list[str]:
    """A line for the log about each: it is left at its default."""
    return [
        f"{name} is no setting and changes nothing: did you mean {meant}? See `mcptasks settings`"
        for name, meant in misspelt_settings(environ).items()
    ]
