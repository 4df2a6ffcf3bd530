"""What the operator waits for before it works: an API server that answers and the CRDs."""

from __future__ import annotations

import asyncio
import logging

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeError, UnauthorizedError
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS, Resource

logger = logging.getLogger(__name__)

REACH_SECONDS = 60.0
"""How long the API server may be away at start before the process gives up and its supervisor restarts it."""

PAUSE_SECONDS = 2.0
REMIND_SECONDS = 30.0


class UnreachableError(Exception):
    """The API server does not answer, or rejects the credentials."""


async def wait_for_api_server(kube: KubeClient, reach: float = REACH_SECONDS, pause: float = PAUSE_SECONDS) -> None:
    """Wait until the API server answers.

    Raises:
        UnreachableError: it has not for `reach` seconds, or it does not accept the credentials.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + reach
    while True:
        try:
            version = await kube.version()
        except UnauthorizedError as error:
            raise UnreachableError(f"{kube.host} does not accept the credentials: {error}; renew them") from error
        except KubeError as error:
            if loop.time() >= give_up:
                raise UnreachableError(f"{error}; gave up after {reach:.0f} s") from error
            logger.warning("%s; trying again in %.0f s", error, pause)
            await asyncio.sleep(pause)
        else:
            logger.info("API server %s, Kubernetes %s", kube.host, version.get("gitVersion", "of unknown version"))
            return


async def wait_for_crds(kube: KubeClient, pause: float = PAUSE_SECONDS) -> None:
    """Wait until the API server serves our resources; tell what to do as long as it does not."""
    remind_at = 0.0
    while missing := await _missing(kube):
        now = asyncio.get_running_loop().time()
        if now >= remind_at:
            names = ", ".join(f"{resource.plural}.{resource.group}" for resource in missing)
            logger.warning("waiting for missing CRDs: %s; install them with `kubectl apply -f crds/`", names)
            remind_at = now + REMIND_SECONDS
        await asyncio.sleep(pause)


async def _missing(kube: KubeClient) -> list[Resource]:
    wanted = [MCP_TASKS, MCP_TASK_TEMPLATES]
    try:
        return [resource for resource in wanted if not await kube.serves(resource)]
    except KubeError as error:
        logger.warning("%s", error)
        return wanted
