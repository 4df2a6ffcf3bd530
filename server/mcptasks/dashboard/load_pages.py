"""The pages of the whole: the overview of the last hour, and workers with their queues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from mcptasks.dashboard.live_feeds import Parts, server_sent
from mcptasks.dashboard.load_view import SHARES, overview_of, queues_of, shares_in_words
from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.shared_reads import SharedReads
from mcptasks.dashboard.visits import Services, Visit
from mcptasks.kube.api_client import ObjectList
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, PODS
from mcptasks.model.base import WORKER_SELECTOR, JsonObject
from mcptasks.model.lifecycle import utc_now

ReadList = Callable[[Hashable, Callable[[], Awaitable[ObjectList]]], Awaitable[ObjectList]]
"""Gets a list by its key: as it was a moment ago, or as it is now."""


@dataclass(frozen=True)
class Sight:
    """The namespaces that a viewer sees tasks, templates and workers of."""

    tasks: frozenset[str]
    templates: frozenset[str]
    pods: frozenset[str]


class LoadPages:
    """The pages, as handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._reads: SharedReads[ObjectList] = SharedReads()
        self.router = APIRouter()
        for path, handler in (
            ("/overview", self.overview),
            ("/overview/live", self.overview_live),
            ("/workers", self.workers),
            ("/workers/live", self.workers_live),
        ):
            self.router.add_api_route(path, handler, methods=["GET"], response_model=None)

    async def overview(self, request: Request) -> Response:
        """Throughput, times and failures."""
        visit, sight = await self._seen(request)
        return visit.page("overview.html", part=(await self._overview(sight))["overview"])

    async def overview_live(self, request: Request) -> Response:
        """What changes there."""
        return await self._live(request, "overview", self._overview)

    async def workers(self, request: Request) -> Response:
        """Who waits, and where."""
        visit, sight = await self._seen(request)
        parts = await self._workers(sight, self._reads.recent)
        return visit.page("workers.html", part=parts["workers"])

    async def workers_live(self, request: Request) -> Response:
        """What changes there."""
        return await self._live(request, "workers", lambda sight: self._workers(sight, self._reads.fresh))

    async def _seen(self, request: Request) -> tuple[Visit, Sight]:
        visit = await self._services.visit(request)
        return visit, await self._sight(visit)

    @staticmethod
    async def _sight(visit: Visit) -> Sight:
        wanted = (Right.LIST_TASKS, Right.READ_TEMPLATES, Right.READ_PODS)
        return Sight(*await asyncio.gather(*(visit.namespaces(right) for right in wanted)))

    async def _overview(self, sight: Sight) -> Parts:
        view = overview_of(self._services.index.rows(sight.tasks), utc_now())
        html = self._services.renderer.render("_overview.html", view=view, shares=SHARES, in_words=shares_in_words)
        return {"overview": html}

    async def _workers(self, sight: Sight, read: ReadList) -> Parts:
        templates, pods = await asyncio.gather(
            _all_of(sight.templates, partial(self._templates, read)), _all_of(sight.pods, partial(self._pods, read))
        )
        queues = queues_of(self._services.index.rows(sight.tasks), templates, pods)
        several = len({queue.namespace for queue in queues}) > 1
        return {"workers": self._services.renderer.render("_workers.html", queues=queues, several=several)}

    # Viewers who see other namespaces have pages of their own, which are made of the same lists.
    async def _templates(self, read: ReadList, namespace: str) -> ObjectList:
        kube = self._services.lookup.kube
        return await read(("templates", namespace), lambda: kube.list(MCP_TASK_TEMPLATES, namespace))

    async def _pods(self, read: ReadList, namespace: str) -> ObjectList:
        kube = self._services.lookup.kube
        return await read(("workers", namespace), lambda: kube.list(PODS, namespace, label_selector=WORKER_SELECTOR))

    async def _live(self, request: Request, name: str, render: Callable[[Sight], Awaitable[Parts]]) -> Response:
        visit, sight = await self._seen(request)

        async def events() -> AsyncGenerator[bytes]:
            watch = self._services.index.watched
            changes = self._services.feeds.changes((name, sight), lambda: render(sight), watch, {})
            async with aclosing(changes):
                async for parts in changes:
                    for part, html in parts.items():
                        yield server_sent(part, html)

        async def may_go_on() -> bool:
            viewer = await self._services.sign_in.viewer(request)
            return viewer == visit.viewer and await self._sight(visit) == sight

        return visit.stream([events()], may_go_on)


async def _all_of(namespaces: Collection[str], read: Callable[[str], Awaitable[ObjectList]]) -> list[JsonObject]:
    found = await asyncio.gather(*(read(namespace) for namespace in sorted(namespaces)))
    return [item for listed in found for item in listed.items]
