"""`/metrics` over HTTP, on a port of its own, so that whoever may scrape can reach nothing else."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from mcptasks.network.small_site import small_site

logger = logging.getLogger(__name__)

PATH = "/metrics"


class MetricsPortError(Exception):
    """The address cannot be listened on."""


@asynccontextmanager
async def metrics_served(registry: CollectorRegistry, host: str, port: int | None) -> AsyncIterator[int | None]:
    """Serve the registry's metrics; gives the port. Serves nothing where `port` is None.

    Raises:
        MetricsPortError: the address cannot be listened on.
    """
    if port is None:
        yield None
        return

    async def metrics(request: web.Request) -> web.StreamResponse:
        # In the event loop, where everything that this reads is changed.
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    application = web.Application()
    application.add_routes([web.get(PATH, metrics)])
    async with AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(small_site(application, host, port, "metrics"))
        except OSError as error:
            raise MetricsPortError(
                f"cannot listen on {host} port {port}: {error.strerror or error}; "
                "choose another port with MCPTASKS_METRICS_PORT (0 picks a free one), or leave it out"
            ) from error
        logger.info("serving metrics on http://%s:%d%s", f"[{host}]" if ":" in host else host, bound, PATH)
        yield bound
