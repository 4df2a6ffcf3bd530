"""The tasks of one caller, a page at a time."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from mcptasks.kube.errors import InvalidError
from mcptasks.kube.task_objects import parse_task
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Principal
from mcptasks.tasks.cached_tasks import server_of
from mcptasks.tasks.owners import caller_key, owner_of
from mcptasks.tasks.service_errors import InvalidCallError
from mcptasks.tasks.views import TaskView, TaskViews

logger = logging.getLogger(__name__)

PAGE_SIZE = 100


@dataclass(frozen=True)
class Page:
    """A page of a caller's tasks, newest first."""

    tasks: list[TaskView]
    next_cursor: str | None


class _Position(NamedTuple):
    """A task's place in a list: its creation, as the API server writes it, and its name."""

    created: str
    name: str

    @classmethod
    def of(cls, item: JsonObject) -> _Position:
        return cls(item["metadata"]["creationTimestamp"], item["metadata"]["name"])

    def encode(self) -> str:
        return base64.urlsafe_b64encode(json.dumps([self.created, self.name]).encode()).decode()

    @classmethod
    def decode(cls, cursor: str) -> _Position:
        try:
            created, name = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        except (ValueError, binascii.Error, TypeError, RecursionError) as error:
            raise InvalidCallError("Invalid cursor: use the nextCursor of an earlier answer unchanged") from error
        if not isinstance(created, str) or not isinstance(name, str):
            raise InvalidCallError("Invalid cursor: use the nextCursor of an earlier answer unchanged")
        return cls(created, name)


@dataclass(frozen=True)
class TaskList:
    """Lists the tasks of one server from its cache."""

    server: str
    cache: WatchCache
    views: TaskViews

    def page(self, principal: Principal | None, cursor: str | None = None) -> Page:
        """A page of the principal's tasks, newest first. Raises InvalidCallError for a cursor that is not ours."""
        after = None if cursor is None else _Position.decode(cursor)
        listed = self._listed(principal, after)
        page = list(islice(listed, PAGE_SIZE))
        more = next(listed, None) is not None
        return Page([view for _, view in page], page[-1][0].encode() if more else None)

    def _listed(self, principal: Principal | None, after: _Position | None) -> Iterator[tuple[_Position, TaskView]]:
        """The principal's tasks after a position; those that nobody asks for are never parsed."""
        for position, item in self._newest_first(principal, after):
            try:
                task = parse_task(item)
                view = self.views.of(task)
            except (InvalidError, OverflowError, ValueError) as error:
                logger.error("not listed: %s", error, extra={"task": position.name})
                continue
            expires = task.status.expires_at
            if (expires is None or expires > self.views.now()) and task.metadata.deletion_timestamp is None:
                yield position, view

    def _newest_first(
        self, principal: Principal | None, after: _Position | None
    ) -> Sequence[tuple[_Position, JsonObject]]:
        owner = caller_key(principal)
        server = self.server
        mine = (item for item in self.cache.values() if server_of(item) == server and owner_of(item) == owner)
        placed = ((_Position.of(item), item) for item in mine)
        found = [(position, item) for position, item in placed if after is None or position < after]
        return sorted(found, key=itemgetter(0), reverse=True)
