"""The process of `mcptasks dashboard`: the pages, over watch caches of the tasks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import uvicorn

from mcptasks.dashboard.dashboard_app import dashboard_app
from mcptasks.dashboard.live_streams import OpenStreams
from mcptasks.dashboard.rights import ClusterReviewer, Rights
from mcptasks.dashboard.seals import Seals
from mcptasks.dashboard.sign_in import OpenSignIn, ProxySignIn, SignIn, SignInError, TokenSignIn, networks
from mcptasks.dashboard.task_facts import TaskLookup
from mcptasks.dashboard.task_index import TaskIndex
from mcptasks.dashboard.visits import Services
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeConfigError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.reviews import review_token
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.logs import configure_logging
from mcptasks.model.exit_codes import ExitCode
from mcptasks.network.accept_errors import report_accept_errors_sparsely
from mcptasks.network.connection_table import ConnectionTable
from mcptasks.network.loopback import is_loopback_host
from mcptasks.server.allowed_sources import AllowedSources, AllowedSourcesError
from mcptasks.server.http_server import InvalidRequestFilter, http_server
from mcptasks.server.sockets import address_of, listening_socket
from mcptasks.server.start_errors import StartError
from mcptasks.settings import Settings, told_of_misspelt
from mcptasks.stores.results import Results

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048
DRAIN_SECONDS = 2.0
ALL_NAMESPACES = "*"


def run_dashboard(settings: Settings) -> int:
    """Run the dashboard until SIGTERM or SIGINT; returns the exit code of the process."""
    configure_logging(settings.log_format, settings.log_level)
    logging.getLogger("uvicorn.error").addFilter(InvalidRequestFilter())
    for line in told_of_misspelt(os.environ):
        logger.warning("%s", line)
    try:
        return asyncio.run(_run(settings))
    except (StartError, KubeConfigError, AllowedSourcesError, SignInError, ValueError) as error:
        sys.stderr.write(f"mcptasks dashboard: {error}\n")
        return error.exit_code if isinstance(error, StartError) else ExitCode.USAGE


async def _run(settings: Settings) -> int:
    report_accept_errors_sparsely(asyncio.get_running_loop())
    access = ClusterAccess(settings.kubeconfig, settings.context)
    watched = watched_namespaces(settings, access.namespace())
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(await access.connect("mcptasks-dashboard"))
        results = await stack.enter_async_context(Results.from_settings(settings))
        services = build_services(settings, kube, results, watched, settings.namespace or access.namespace())
        sock = listening_socket(settings.dashboard_host, settings.dashboard_port, "MCPTASKS_DASHBOARD_PORT or --port")
        table = ConnectionTable("dashboard", MAX_CONNECTIONS)
        server = http_server(dashboard_app(services), DRAIN_SECONDS, table, believes_proxies=False)
        for namespace in watched or (None,):
            cache = WatchCache(kube, MCP_TASKS, namespace, trim=services.index.trimmed)
            services.index.follow(cache)
            await stack.enter_async_context(_in_background(cache))
        logger.info("serving the dashboard on http://%s, of %s", address_of(sock), _named(watched))
        with _stopped_by_signals(server, services.closing):
            await server.serve([sock])
    return ExitCode.OK


def build_services(
    settings: Settings, kube: KubeClient, results: Results, watched: Sequence[str] | None, own: str
) -> Services:
    """What the pages need. Raises SignInError, AllowedSourcesError."""
    key = settings.dashboard_key
    seals = Seals() if key is None else Seals(key.get_secret_value().encode())
    return Services(
        settings=settings,
        index=TaskIndex(),
        lookup=TaskLookup(kube, results),
        rights=Rights(ClusterReviewer(kube)),
        sign_in=sign_in_of(settings, kube, seals),
        seals=seals,
        allowed=AllowedSources.from_settings(settings, settings.dashboard_host),
        watched=watched,
        server_namespace=own,
        streams=OpenStreams(settings.dashboard_max_streams, settings.dashboard_max_streams_per_viewer),
        pages=(("/tools", "Tools"),) if settings.dashboard_server_url else (),
    )


def sign_in_of(settings: Settings, kube: KubeClient, seals: Seals) -> SignIn:
    """How viewers show who they are. Raises SignInError where that would be open to everybody, or to nobody."""
    if settings.dashboard_auth == "none":
        if not is_loopback_host(settings.dashboard_host):
            raise SignInError(
                "MCPTASKS_DASHBOARD_AUTH=none lets everybody who reaches the dashboard do everything, so it is for a "
                "loopback address alone: choose `token` or `proxy`, or leave MCPTASKS_DASHBOARD_HOST at 127.0.0.1"
            )
        return OpenSignIn()
    trusted = networks(settings.dashboard_trusted_proxies)
    if settings.dashboard_auth == "proxy":
        if not trusted:
            raise SignInError(
                "MCPTASKS_DASHBOARD_AUTH=proxy believes the proxies in MCPTASKS_DASHBOARD_TRUSTED_PROXIES, and there "
                "are none: give their addresses or networks, as in 10.0.3.0/24"
            )
        return ProxySignIn(trusted, settings.dashboard_user_header, settings.dashboard_groups_header)
    return TokenSignIn(partial(review_token, kube), seals, trusted)


def watched_namespaces(settings: Settings, own: str) -> Sequence[str] | None:
    """The namespaces whose tasks are shown; None: all."""
    if ALL_NAMESPACES in settings.watch_namespaces:
        return None
    return tuple(dict.fromkeys(settings.watch_namespaces)) or (settings.namespace or own,)


def _named(watched: Sequence[str] | None) -> str:
    return "all namespaces" if watched is None else f"the tasks in {', '.join(watched)}"


@contextlib.contextmanager
def _stopped_by_signals(server: uvicorn.Server, closing: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        closing.set()
        server.should_exit = True

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _in_background(cache: WatchCache) -> AsyncIterator[None]:
    working = asyncio.create_task(cache.run())
    try:
        yield
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
