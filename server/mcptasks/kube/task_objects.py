"""McpTasks in the API server: reads and writes of one kind, with the rule that every status write is conditional."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import ConflictError, InvalidError, NotFoundError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.model.base import JsonObject
from mcptasks.model.task import LogRecord, McpTask, ResultRecord

logger = logging.getLogger(__name__)

MAX_CONFLICTS = 20

StatusChange = Callable[[McpTask], JsonObject | None]
"""Gives the merge patch for the task as it is now, or None where there is nothing to write."""


class StoredTask(NamedTuple):
    """A task that was read: its object, and the same parsed."""

    item: JsonObject
    task: McpTask


class TaskObserver(Protocol):
    """Is told of what was written, once it was."""

    def created(self, item: JsonObject) -> None:
        """A task was stored."""
        ...

    def written(self, patch: JsonObject, item: JsonObject) -> None:
        """The patch was written to a task's status, which is the item now."""
        ...


class Unobserved:
    """A `TaskObserver` that does nothing."""

    def created(self, item: JsonObject) -> None:
        pass

    def written(self, patch: JsonObject, item: JsonObject) -> None:
        pass


def parse_task(item: JsonObject) -> McpTask:
    """The typed task of an object from the API server.

    Raises:
        InvalidError: the object does not fit the model, which the CRD's schema should have refused.
    """
    try:
        return McpTask.model_validate(item)
    except ValidationError as error:
        name = item.get("metadata", {}).get("name")
        raise InvalidError(422, "Invalid", f"McpTask {name} does not fit the model: {error}") from error


def parse_result(item: JsonObject) -> ResultRecord | None:
    """The result of such an object's task, without the rest of it. Raises InvalidError where it does not fit."""
    result = (item.get("status") or {}).get("result")
    try:
        return None if result is None else ResultRecord.model_validate(result)
    except ValidationError as error:
        name = item.get("metadata", {}).get("name")
        raise InvalidError(422, "Invalid", f"the result of McpTask {name} does not fit the model: {error}") from error


def parse_log(item: JsonObject) -> LogRecord | None:
    """What such an object keeps of its task's log. Raises InvalidError where it does not fit."""
    log = (item.get("status") or {}).get("log")
    try:
        return None if log is None else LogRecord.model_validate(log)
    except ValidationError as error:
        name = item.get("metadata", {}).get("name")
        raise InvalidError(422, "Invalid", f"the log of McpTask {name} does not fit the model: {error}") from error


@contextmanager
def _survived(item: JsonObject) -> Iterator[None]:
    """What was written is written, whatever it does to those who are told of it."""
    try:
        yield
    except Exception:
        logger.exception("a written task cannot be understood", extra={"task": item["metadata"]["name"]})


@dataclass(frozen=True)
class TaskClient:
    """Reads and writes the McpTasks of a cluster."""

    kube: KubeClient
    observer: TaskObserver = field(default_factory=Unobserved, kw_only=True)

    async def get(self, namespace: str, name: str) -> JsonObject:
        """The task as the API server has it now. Raises NotFoundError."""
        return await self.kube.get(MCP_TASKS, name, namespace)

    async def all(self, namespace: str) -> list[JsonObject]:
        """All tasks of the namespace as the API server has them now. Raises KubeError."""
        return (await self.kube.list(MCP_TASKS, namespace)).items

    async def is_deleted(self, namespace: str, name: str, uid: str) -> bool:
        """Whether the API server says that this very task is gone: it has none of the name, or a later one.

        Raises KubeError where it says neither, such as NotFoundError while the kind itself is not served.
        """
        try:
            item = await self.get(namespace, name)
        except NotFoundError as error:
            if error.details.get("name") != name:
                raise
            return True
        return bool(item["metadata"].get("uid") != uid)

    async def create(self, namespace: str, body: JsonObject) -> JsonObject:
        """Store a new task. Raises AlreadyExistsError, InvalidError, ForbiddenError."""
        stored = await self.kube.create(MCP_TASKS, body, namespace)
        with _survived(stored):
            self.observer.created(stored)
        return stored

    async def update_status(
        self, known: JsonObject, change: StatusChange, *, parsed: McpTask | None = None
    ) -> JsonObject:
        """Write what `change` makes of the task, only against the very version that it was made from.

        `known` may be old: after a conflict the task is read again and `change` is asked again. `parsed` is the same
        task, where the caller has parsed it already. Returns the task as it is afterwards, also where `change` had
        nothing to write.

        Raises:
            NotFoundError: the task is gone.
            ConflictError: others kept writing, or the name now belongs to another task.
        """
        metadata = known["metadata"]
        namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
        item, task = known, parsed or parse_task(known)
        for _ in range(MAX_CONFLICTS):
            patch = change(task)
            if patch is None:
                return item
            precondition = {"metadata": {"uid": uid, "resourceVersion": item["metadata"]["resourceVersion"]}}
            try:
                body = patch | precondition
                written = await self.kube.patch(MCP_TASKS, name, body, namespace, subresource="status")
            except (ConflictError, InvalidError) as error:
                item = await self.get(namespace, name)
                if item["metadata"]["uid"] != uid:
                    raise ConflictError(
                        409, "Conflict", f"task {name} was replaced by another of the same name"
                    ) from error
                task = parse_task(item)
                if isinstance(error, InvalidError) and not task.terminal:
                    raise
            else:
                with _survived(written):
                    self.observer.written(patch, written)
                return written
        raise ConflictError(409, "Conflict", f"task {name} is being written by too many others; try again")

    async def delete(self, namespace: str, name: str, uid: str | None = None) -> None:
        """Delete the task with all that it owns. Raises NotFoundError."""
        await self.kube.delete(MCP_TASKS, name, namespace, uid=uid)
