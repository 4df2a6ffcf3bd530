"""Where `mcptasks top` has its facts from: the cluster, read once or watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mcptasks.cli.cluster_session import ClusterSession
from mcptasks.cli.top_rows import TopFacts, TopRow, kept_part, pool_rows, top_row
from mcptasks.kube.errors import ForbiddenError, NotFoundError
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS
from mcptasks.kube.watch_cache import Key, WatchCache, key_of
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now

NOTHING = "metadata.name=none"
"""A field selector for no object in particular: what is asked is whether one may list."""


@dataclass(frozen=True)
class TopSource:
    """The tasks that a user wants to look at."""

    cluster: ClusterSession
    all_namespaces: bool = False
    label_selector: str | None = None

    @property
    def namespace(self) -> str | None:
        return None if self.all_namespaces else self.cluster.namespace

    @property
    def where(self) -> str:
        """Which tasks these are, in words."""
        namespace = "all namespaces" if self.namespace is None else f"namespace {self.namespace}"
        context = "mcptasks dev" if self.cluster.choice.dev else self.cluster.choice.access.context_name()
        return ", ".join(filter(None, (namespace, self.label_selector, context)))

    async def read(self) -> TopFacts:
        """What there is now. Raises CliError, KubeError."""
        tasks = await self._tasks()
        return self.facts([top_row(item) for item in tasks], await self._templates())

    def facts(
        self,
        rows: list[TopRow],
        templates: list[JsonObject] | None,
        *,
        complete: bool = True,
        unreachable: float = 0.0,
    ) -> TopFacts:
        """The facts of this moment; no templates where the user may not see any."""
        return TopFacts(
            rows=rows,
            pools=None if templates is None else pool_rows(templates),
            where=self.where,
            now=utc_now(),
            with_namespace=self.all_namespaces,
            complete=complete,
            unreachable=unreachable,
        )

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[TopBoard]:
        """The facts, kept up to date. Raises CliError, KubeError where they cannot be read to begin with."""
        await self._tasks(NOTHING)
        may_see_templates = await self._templates(NOTHING) is not None
        kube = self.cluster.kube
        tasks = WatchCache(kube, MCP_TASKS, self.namespace, self.label_selector, trim=kept_part)
        templates = WatchCache(kube, MCP_TASK_TEMPLATES, self.namespace) if may_see_templates else None
        board = TopBoard(self, tasks, templates)
        tasks.listen(board)
        if templates is not None:
            templates.listen(_TemplateNews(board.news))
        caches = [cache for cache in (tasks, templates) if cache is not None]
        running = [asyncio.create_task(cache.run()) for cache in caches]
        try:
            yield board
        finally:
            for each in running:
                each.cancel()
            await asyncio.wait(running)

    async def _tasks(self, field_selector: str | None = None) -> list[JsonObject]:
        try:
            listed = await self.cluster.kube.list(
                MCP_TASKS, self.namespace, label_selector=self.label_selector, field_selector=field_selector
            )
        except NotFoundError as error:
            raise await self.cluster.explain_missing(error) from error
        return listed.items

    async def _templates(self, field_selector: str | None = None) -> list[JsonObject] | None:
        """None where the user may not see them."""
        try:
            listed = await self.cluster.kube.list(MCP_TASK_TEMPLATES, self.namespace, field_selector=field_selector)
        except ForbiddenError:
            return None
        return listed.items


@dataclass(eq=False)
class TopBoard:
    """The rows of tasks, as a watch tells of them. `news` is set on every change."""

    source: TopSource
    tasks: WatchCache
    templates: WatchCache | None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _rows: dict[Key, TopRow] = field(default_factory=dict)

    def changed(self, item: JsonObject, *, watched: bool) -> None:
        """A task is new, or in a new state."""
        self._rows[key_of(item)] = top_row(item)
        self.news.set()

    def deleted(self, item: JsonObject) -> None:
        """A task is gone."""
        self._rows.pop(key_of(item), None)
        self.news.set()

    def facts(self) -> TopFacts:
        """What is known now."""
        return self.source.facts(
            list(self._rows.values()),
            None if self.templates is None else self.templates.values(),
            complete=self.tasks.synced.is_set(),
            unreachable=self.tasks.unreachable_seconds,
        )


@dataclass(frozen=True)
class _TemplateNews:
    """Sets the event on every change."""

    event: asyncio.Event

    def changed(self, _item: JsonObject, *, watched: bool) -> None:
        self.event.set()

    def deleted(self, _item: JsonObject) -> None:
        self.event.set()
