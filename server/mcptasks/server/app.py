"""The server process: the MCP endpoint and the gateway, each on a port of its own, over one watch cache."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from mcptasks.authoring.loader import LoadError, absolute, load_server
from mcptasks.authoring.task_server import TaskServer
from mcptasks.gateway.gateway import Gateway
from mcptasks.gateway.routes import gateway_app
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.errors import KubeConfigError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.logs import configure_logging
from mcptasks.metrics.endpoint import MetricsPortError, metrics_served
from mcptasks.metrics.instruments import Instruments
from mcptasks.metrics.server_metrics import ServerMetrics, ServerState
from mcptasks.model.task import JsonObject, ResultRecord
from mcptasks.model.task_config import TaskConfigError
from mcptasks.protocol.request_state import RequestStateKeyError
from mcptasks.protocol.transport import HandshakeHttp
from mcptasks.server.auth import AuthConfigError, Authentication, VerifiableTokens
from mcptasks.server.http_errors import JsonRpcErrors
from mcptasks.settings import Settings
from mcptasks.tasks.cached_tasks import cached, unfinished_owner
from mcptasks.tasks.results import Results, ResultStoreUnavailableError
from mcptasks.tasks.service import TaskService

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 seconds of common proxies, so that the proxy closes idle connections and not we."""

WRITE_SECONDS = 0.2
"""How long the last answers take to be written."""

CLOSING_SECONDS = 2
"""How long a stopping server waits for its last errors to be written before it cuts the connections."""

STALE_SECONDS = 60
"""How long the API server may be out of reach before other replicas should get the calls."""

LOOPBACK_ADDRESSES = frozenset({"127.0.0.1", "localhost", "::1"})
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


class StartError(Exception):
    """The server cannot start as configured; the message says what to change."""

    exit_code = EXIT_CONFIG


class ImportFailedError(StartError):
    """The user's module raised while it was imported: a fault in its code, not in how the server is configured."""

    exit_code = EXIT_FAILED


def serve(settings: Settings) -> int:
    """Run the server until SIGTERM or SIGINT; gives the process's exit code."""
    configure_logging(settings.log_format, settings.log_level)
    try:
        return asyncio.run(_serve(settings))
    except (StartError, KubeConfigError, MetricsPortError) as error:
        sys.stderr.write(f"mcptasks serve: {error}\n")
        return error.exit_code if isinstance(error, StartError) else EXIT_CONFIG


async def _serve(settings: Settings) -> int:
    authentication = _authentication(settings)
    server = _load(settings)
    # Task Pods run elsewhere: what they are told must not depend on this process's directory.
    settings = settings.model_copy(update={"module": absolute(settings.module or "")})
    access = ClusterAccess(settings.kubeconfig, settings.context)
    namespace = settings.namespace or access.namespace()
    endpoint_socket = bind(settings.host, settings.port, "MCPTASKS_PORT or --port")
    gateway_socket = bind(settings.gateway_host, settings.gateway_port, "MCPTASKS_GATEWAY_PORT or --gateway-port")
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(await access.connect("mcptasks-server"))
        results = await stack.enter_async_context(_results(settings))
        forget = _Forget(results)
        cache = WatchCache(kube, MCP_TASKS, namespace, on_deleted=forget, trim=cached, group=unfinished_owner)
        draining = asyncio.Event()
        metrics = ServerMetrics(ServerState(cache, draining.is_set), Instruments())
        tasks = TaskClient(kube, observer=metrics.tasks)
        service = TaskService(settings, namespace, tasks, cache, results, draining=draining)
        try:
            server.serve_tasks(service, metrics)
            app = endpoint_app(server, service, settings, authentication)
        except (TaskConfigError, RequestStateKeyError) as error:
            raise StartError(str(error)) from error
        gateway = Gateway(kube, tasks, results, settings, on_written=cache.add, cache=cache)
        stack.push_async_callback(gateway.aclose)
        endpoint = _server(app, settings)
        inner = _server(gateway_app(gateway, metrics), settings)
        registry = metrics.instruments.registry
        await stack.enter_async_context(metrics_served(registry, settings.metrics_host, settings.metrics_port))
        logger.info("serving MCP on http://%s%s", _address(endpoint_socket), settings.path)
        if not server.authenticates and settings.host not in LOOPBACK_ADDRESSES:
            logger.warning("the endpoint has no authentication: whoever reaches it can run its tools")
        logger.info("serving the gateway on http://%s, tasks in namespace %s", _address(gateway_socket), namespace)
        await stack.enter_async_context(_background(cache))
        await stack.enter_async_context(_stop_on_signals(service, [endpoint, inner], settings))
        await asyncio.gather(endpoint.serve([endpoint_socket]), inner.serve([gateway_socket]))
        await forget.done()
    return EXIT_OK


def _load(settings: Settings) -> TaskServer[object]:
    if not settings.module:
        raise StartError("name the server to run: `mcptasks serve path/to/server.py`, or set MCPTASKS_MODULE")
    try:
        return load_server(settings.module)
    except LoadError as error:
        if error.trace:
            sys.stderr.write(error.trace)
            raise ImportFailedError(str(error)) from error
        raise StartError(str(error)) from error


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


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket. Raises StartError where the port is taken or not allowed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it every answer is 40 ms late.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise StartError(
            f"cannot listen on {host} port {port}: {error.strerror}; "
            f"choose another one with {setting} (0 is any free one)"
        ) from error
    sock.setblocking(False)
    return sock


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def endpoint_app(
    server: TaskServer[object],
    service: TaskService,
    settings: Settings,
    authentication: Authentication | None = None,
) -> FastAPI:
    """The MCP endpoint with its health checks as an ASGI application.

    Raises:
        TaskConfigError: the server program authenticates callers itself, and the settings do too.
    """
    if authentication is not None:
        server.require_tokens(authentication.sdk, authentication)
    mcp_app = server.streamable_http_app(
        streamable_http_path=settings.path,
        stateless_http=True,
        json_response=False,
        transport_security=_transport_security(settings),
        max_request_body_size=settings.max_body_bytes,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The lifespan of a mounted application never runs by itself.
        async with server.session_manager.run(), AsyncExitStack() as stack:
            if authentication is not None:
                await stack.enter_async_context(authentication.running())
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        obstacle = unreadiness(service)
        return JSONResponse({"status": obstacle or "ok"}, 503 if obstacle else 200)

    served: ASGIApp = HandshakeHttp(mcp_app, settings.path, settings.max_body_bytes)
    if authentication is not None:
        served = VerifiableTokens(served, authentication)
    app.mount("/", JsonRpcErrors(served, settings.max_body_bytes))
    return app


def unreadiness(service: TaskService, stale_seconds: float = STALE_SECONDS) -> str | None:
    """Why the server should get no calls now; None where it should.

    A server that has lost the API server for long answers from what it remembers, which other replicas know better.
    Where all have lost it, nobody takes them off their Service: that too takes the API server.
    """
    if service.draining.is_set():
        return "draining"
    if not service.cache.synced.is_set():
        return "waiting for the Kubernetes API"
    if (lost := service.cache.unreachable_seconds) > stale_seconds:
        return f"out of sync with the Kubernetes API for {lost:.0f} s"
    return None


def _transport_security(settings: Settings) -> TransportSecuritySettings:
    """Host and Origin checks against DNS rebinding: loopback and what is configured, all with `*`."""
    if "*" in settings.allowed_hosts:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    hosts = [*LOOPBACK_HOSTS, *settings.allowed_hosts]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(
        allowed_hosts=[form for host in hosts for form in (host, f"{host}:*")],
        allowed_origins=[
            *(form for origin in origins for form in (origin, f"{origin}:*")),
            *settings.allowed_origins,
        ],
    )


class _Server(uvicorn.Server):
    """A uvicorn server that leaves the signals to the process, which has two of them to stop."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _server(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.drain_seconds + CLOSING_SECONDS),
    )
    return _Server(config)


@asynccontextmanager
async def _background(cache: WatchCache) -> AsyncIterator[None]:
    watching = asyncio.create_task(cache.run())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


@asynccontextmanager
async def _stop_on_signals(
    service: TaskService, servers: list[uvicorn.Server], settings: Settings
) -> AsyncIterator[None]:
    """Drain, then stop: blocked calls end with an error that says so before their connections are closed.

    Those that another replica can go on with end at once, all others when the time to drain is over.
    """
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    async def stop(number: signal.Signals) -> None:
        logger.info("%s: draining, then stopping", number.name)
        service.draining.set()
        # Long enough for the errors to be written; uvicorn itself waits for the connections to become idle.
        await asyncio.sleep(min(WRITE_SECONDS, settings.drain_seconds))
        for server in servers:
            server.should_exit = True
        await asyncio.sleep(settings.drain_seconds)
        service.closing.set()
        await asyncio.sleep(WRITE_SECONDS)
        for server in servers:
            # sse-starlette takes this call as its sign to cut all streams, so it must not come before.
            server.handle_exit(signal.SIGTERM, None)

    def on_signal(number: signal.Signals) -> None:
        if not stopping:
            stopping.append(loop.create_task(stop(number)))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        for task in stopping:
            task.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)


@dataclass(eq=False)
class _Forget:
    """Deletes the stored payload of each task that is gone. The store's own expiry is the safety net."""

    results: Results

    def __post_init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def __call__(self, item: JsonObject) -> None:
        record = parse_task(item).status.result
        if record is not None and record.ref is not None:
            task = asyncio.create_task(self._delete(record, item["metadata"]["name"]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _delete(self, record: ResultRecord, task_id: str) -> None:
        try:
            await self.results.delete(record)
        except ResultStoreUnavailableError as error:
            logger.warning("cannot delete a result: %s", error, extra={"task": task_id})

    async def done(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._running)
