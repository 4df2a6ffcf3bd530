"""The server process: the MCP endpoint and the gateway, each on a port of its own, over one watch cache."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from mcptasks.authoring.loader import LoadError, absolute, load_server
from mcptasks.authoring.module_digest import module_digest
from mcptasks.authoring.task_server import TaskServer
from mcptasks.authoring.user_variables import complete_user_variables
from mcptasks.gateway.dispatcher import WorkSources
from mcptasks.gateway.gateway import Gateway
from mcptasks.gateway.routes import gateway_app
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.bulletin import Bulletin
from mcptasks.kube.errors import KubeConfigError
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS, PODS
from mcptasks.kube.task_objects import TaskClient
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.logs import configure_logging
from mcptasks.metrics.endpoint import MetricsPortError, metrics_served
from mcptasks.metrics.instruments import Instruments
from mcptasks.metrics.server_metrics import ServerMetrics, ServerState
from mcptasks.model.base import WORKER_SELECTOR
from mcptasks.model.exit_codes import ExitCode
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.names import TEMPLATE_NAME_RULE
from mcptasks.model.task_config import TaskConfigError
from mcptasks.network.accept_errors import report_accept_errors_sparsely
from mcptasks.network.connection_table import ConnectionTable
from mcptasks.network.loopback import is_loopback_host
from mcptasks.protocol.request_state import RequestStateKeyError
from mcptasks.protocol.versions import POLLS
from mcptasks.server.allowed_sources import AllowedSourcesError
from mcptasks.server.auth.authentication import AuthConfigError, Authentication
from mcptasks.server.descriptors import reserved_shares
from mcptasks.server.header_check import HeaderCheck, gateway_refusal
from mcptasks.server.health import health_served
from mcptasks.server.http_server import InvalidRequestFilter, http_server
from mcptasks.server.lasting_loop import run_lasting
from mcptasks.server.mcp_endpoint import endpoint_app
from mcptasks.server.result_cleanup import ResultCleanup
from mcptasks.server.shutdown import stop_on_signals
from mcptasks.server.sockets import WORKER_PROBING, address_of, listening_socket
from mcptasks.server.start_errors import ImportFailedError, StartError
from mcptasks.settings import Settings, told_of_misspelt
from mcptasks.stores.results import Results
from mcptasks.tasks.cached_tasks import amounts_of, cached, group_of
from mcptasks.tasks.service import TaskService
from mcptasks.tasks.worker_queue import NoWorkers
from mcptasks.tracing.tracing import start_tracing

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0
"""How long the process tries to send its last spans."""

TEMPLATES_SECONDS = 10.0
"""How long the API server has to tell which templates there are, before it is warned of inline calls without it."""


def serve(settings: Settings, templates_file: Path | None = None) -> int:
    """Run the server until SIGTERM or SIGINT; returns the exit code of the process.

    Args:
        templates_file: gets the templates that components name, a name a line, before the server is ready.
    """
    configure_logging(settings.log_format, settings.log_level)
    logging.getLogger("uvicorn.error").addFilter(InvalidRequestFilter())
    for line in told_of_misspelt(os.environ):
        logger.warning("%s", line)
    complete_user_variables(os.environ)
    tracing = start_tracing("mcptasks-server", polls=POLLS)
    try:
        return run_lasting(_serve(settings, templates_file))
    except (StartError, KubeConfigError, MetricsPortError) as error:
        sys.stderr.write(f"mcptasks serve: {error}\n")
        return error.exit_code if isinstance(error, StartError) else ExitCode.USAGE
    finally:
        tracing.flush(FLUSH_SECONDS)


def check(settings: Settings) -> int:
    """Load the user's server as `serve` would, and say what is wrong with it; returns the exit code of the process."""
    configure_logging(settings.log_format, settings.log_level)
    complete_user_variables(os.environ)
    try:
        _load(settings)
    except StartError as error:
        sys.stderr.write(f"mcptasks serve: {error}\n")
        return error.exit_code
    return ExitCode.OK


async def _serve(settings: Settings, templates_file: Path | None) -> int:
    report_accept_errors_sparsely(asyncio.get_running_loop())
    authentication = _authentication(settings)
    # Before it is loaded: where a file changes in between, no worker of the changed code gets a task.
    digest = module_digest(settings.module or "")
    server = _load(settings)
    if templates_file is not None:
        write_templates(templates_file, server.catalogue.templates)
    # Task Pods run elsewhere: what they are told must not depend on this process's directory.
    settings = settings.model_copy(update={"module": absolute(settings.module or "")})
    access = ClusterAccess(settings.kubeconfig, settings.context)
    namespace = settings.namespace or access.namespace()
    sockets = _open_sockets(settings)
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(await access.connect("mcptasks-server"))
        results = await stack.enter_async_context(_results(settings))
        backend = _Backend.build(settings, namespace, kube, results, authentication)
        replicas = backend.service.replicas = Bulletin(kube, namespace, settings.cancelled_calls, utc_now)
        app = _endpoint(server, backend, settings, authentication)
        work = _work_sources(kube, namespace, digest)
        gateway = Gateway(
            kube,
            backend.tasks,
            results,
            settings,
            on_written=backend.cache.add,
            cache=backend.cache,
            work=work,
            observer=backend.metrics.workers,
        )
        stack.push_async_callback(gateway.aclose)
        backend.service.workers = gateway.dispatcher or NoWorkers()
        tables = _connection_tables(settings)
        endpoint_server = http_server(app, settings.drain_seconds, tables.endpoint)
        checked = HeaderCheck(gateway_app(gateway, backend.metrics), gateway_refusal)
        gateway_server = http_server(checked, settings.drain_seconds, tables.gateway)
        registry = backend.metrics.instruments.registry
        await stack.enter_async_context(metrics_served(registry, settings.metrics_host, settings.metrics_port))
        await stack.enter_async_context(health_served(backend.service, settings.health_host, settings.health_port))
        _log_addresses(sockets, settings, namespace, authenticates=server.authenticates)
        for watching in (backend.cache, work.templates, work.workers, replicas):
            await stack.enter_async_context(_in_background(watching.run()))
        await stack.enter_async_context(_in_background(_release_workers(gateway, backend.service.draining)))
        warning = _warn_of_inline_calls(server, backend.service, work.templates)
        await stack.enter_async_context(_in_background(warning))
        servers = [endpoint_server, gateway_server]
        await stack.enter_async_context(stop_on_signals(backend.service, servers, settings.drain_seconds))
        await asyncio.gather(endpoint_server.serve([sockets.endpoint]), gateway_server.serve([sockets.gateway]))
        await backend.cleanup.done()
    return ExitCode.OK


def _work_sources(kube: KubeClient, namespace: str, digest: str) -> WorkSources:
    return WorkSources(
        namespace,
        digest,
        templates=WatchCache(kube, MCP_TASK_TEMPLATES, namespace),
        workers=WatchCache(kube, PODS, namespace, label_selector=WORKER_SELECTOR),
    )


async def _release_workers(gateway: Gateway, draining: asyncio.Event) -> None:
    """Let the workers go to other replicas as soon as this one begins to stop."""
    await draining.wait()
    await gateway.release_workers()


@dataclass(frozen=True)
class _Backend:
    """What both ports share: the tasks of a namespace, and what is counted about them."""

    cleanup: ResultCleanup
    cache: WatchCache
    metrics: ServerMetrics
    tasks: TaskClient
    service: TaskService

    @classmethod
    def build(
        cls,
        settings: Settings,
        namespace: str,
        kube: KubeClient,
        results: Results,
        authentication: Authentication | None,
    ) -> _Backend:
        cleanup = ResultCleanup(results, TaskClient(kube))
        cache = WatchCache(
            kube, MCP_TASKS, namespace, on_deleted=cleanup, trim=cached, group=group_of, amounts=amounts_of
        )
        draining = asyncio.Event()
        metrics = ServerMetrics(
            ServerState(cache, draining.is_set, _tokens_are_unusable(authentication)), Instruments()
        )
        tasks = TaskClient(kube, observer=metrics.tasks)
        service = TaskService(
            settings, namespace, tasks, cache, results, draining=draining, cluster_time=kube.server_time
        )
        return cls(cleanup, cache, metrics, tasks, service)


def _tokens_are_unusable(authentication: Authentication | None) -> Callable[[], bool]:
    static = None if authentication is None else authentication.static
    return lambda: static is not None and static.problem is not None


def _endpoint(
    server: TaskServer[object], backend: _Backend, settings: Settings, authentication: Authentication | None
) -> ASGIApp:
    try:
        server.serve_tasks(backend.service, backend.metrics)
        return endpoint_app(server, backend.service, settings, authentication)
    except (TaskConfigError, RequestStateKeyError, AllowedSourcesError) as error:
        raise StartError(str(error)) from error


@dataclass(frozen=True)
class _ConnectionTables:
    endpoint: ConnectionTable
    gateway: ConnectionTable


def _connection_tables(settings: Settings) -> _ConnectionTables:
    shares = reserved_shares(settings.max_connections, settings.max_gateway_connections)
    return _ConnectionTables(
        ConnectionTable("endpoint", shares.endpoint, "MCPTASKS_MAX_CONNECTIONS"),
        ConnectionTable("gateway", shares.gateway, "MCPTASKS_MAX_GATEWAY_CONNECTIONS"),
    )


@dataclass(frozen=True)
class _Sockets:
    endpoint: socket.socket
    gateway: socket.socket


def _open_sockets(settings: Settings) -> _Sockets:
    return _Sockets(
        listening_socket(settings.host, settings.port, "MCPTASKS_PORT or --port"),
        listening_socket(
            settings.gateway_host, settings.gateway_port, "MCPTASKS_GATEWAY_PORT or --gateway-port", WORKER_PROBING
        ),
    )


def _log_addresses(sockets: _Sockets, settings: Settings, namespace: str, *, authenticates: bool) -> None:
    logger.info("serving MCP on http://%s%s", address_of(sockets.endpoint), settings.path)
    if not authenticates and not is_loopback_host(settings.host):
        logger.warning("the endpoint has no authentication: whoever reaches it can run its tools")
    logger.info("serving the gateway on http://%s, tasks in namespace %s", address_of(sockets.gateway), namespace)


async def _warn_of_inline_calls(server: TaskServer[object], service: TaskService, templates: WatchCache) -> None:
    """Name what runs inline because nobody has chosen, as soon as it is known which templates have workers.

    Where that does not become known it is named all the same, at the latest when the server stops.
    """
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TEMPLATES_SECONDS):
                await templates.synced.wait()
    finally:
        _name_inline_calls(server, service)


def _name_inline_calls(server: TaskServer[object], service: TaskService) -> None:
    labels = server.catalogue.inline_unchosen(task_tools=service.settings.task_tools, is_warm=service.is_warm)
    if labels:
        logger.warning(
            "for clients without tasks these run in the server's own process, where nothing can kill them: %s. "
            'Choose with TaskConfig(without_tasks=...): "wait" runs a task while the call waits, "refuse" is an error, '
            '"inline" leaves it so without this warning',
            ", ".join(labels),
        )


def _load(settings: Settings) -> TaskServer[object]:
    if not settings.module:
        raise StartError("name the server to run: `mcptasks serve path/to/server.py`, or set MCPTASKS_MODULE")
    try:
        server = load_server(settings.module)
    except LoadError as error:
        if error.trace:
            sys.stderr.write(error.trace)
            raise ImportFailedError(str(error)) from error
        raise StartError(str(error)) from error
    for name, labels in server.catalogue.impossible_templates.items():
        logger.warning("%s", told_of_template_name(name, labels))
    return server


def told_of_template_name(name: str, labels: Sequence[str]) -> str:
    """What to tell of a name that no template can have, and that the components with these labels give."""
    named_by = " and ".join(filter(None, [", ".join(labels[:-1]), labels[-1]]))
    return (
        f"{named_by}: no McpTaskTemplate can be called {name!r}, so that tasks which name it fail. "
        f"In TaskConfig(template=...) give a name of {TEMPLATE_NAME_RULE}"
    )


def write_templates(path: Path, names: Sequence[str]) -> None:
    """Put down the templates that components name, a line each. Raises StartError where the file cannot be written."""
    try:
        path.write_text("".join(f"{name}\n" for name in names))
    except OSError as error:
        raise StartError(f"cannot write the templates to {path}: {error.strerror or error}") from error


def _authentication(settings: Settings) -> Authentication | None:
    try:
        return Authentication.from_settings(settings)
    except AuthConfigError as error:
        raise StartError(str(error)) from error


def _results(settings: Settings) -> Results:
    try:
        return Results.from_settings(settings)
    except ValueError as error:
        raise StartError(str(error)) from error


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    working = asyncio.create_task(work)
    try:
        yield
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
