"""Kubernetes events about tasks and templates, as `kubectl describe` shows them.

Posting is best effort: it never delays a task or makes it fail. An event's name is made from the object and the reason,
so that the API server refuses a second post of the same fact, by whichever operator, as a duplicate.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import AlreadyExistsError, KubeError
from mcptasks.kube.kinds import EVENTS
from mcptasks.model.base import API_VERSION, JsonObject
from mcptasks.model.excerpts import without_middle
from mcptasks.model.lifecycle import timestamp, utc_now
from mcptasks.model.task import McpTask
from mcptasks_operator.deciding.decisions import Notice
from mcptasks_operator.deciding.worker_manifests import TemplateObject

logger = logging.getLogger(__name__)

COMPONENT = "mcptasks-operator"
MAX_EVENT_MESSAGE = 1024
MAX_WAITING = 10_000
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class EventSubject:
    """The object of ours that an event is about."""

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""


def make_event(task: McpTask, notice: Notice, identity: str, now: datetime) -> JsonObject:
    """The `v1` Event about the task."""
    subject = EventSubject("McpTask", task.namespace, task.name, task.uid, task.metadata.resource_version or "")
    return _event(subject, notice, f"{task.uid}/{notice.reason}", identity, now)


def make_template_event(template: TemplateObject, notice: Notice, identity: str, now: datetime) -> JsonObject:
    """The `v1` Event about the template. The same may happen to it again and again: it counts once an hour."""
    subject = EventSubject("McpTaskTemplate", template.namespace, template.name, template.uid)
    return _event(subject, notice, f"{template.uid}/{notice.reason}/{timestamp(now)[:13]}", identity, now)


def _event(subject: EventSubject, notice: Notice, fact: str, identity: str, now: datetime) -> JsonObject:
    digest = hashlib.sha256(fact.encode()).hexdigest()[:16]
    moment = timestamp(now)[:19] + "Z"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{subject.name}.{digest}", "namespace": subject.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": subject.kind,
            "name": subject.name,
            "namespace": subject.namespace,
            "uid": subject.uid,
            "resourceVersion": subject.resource_version,
        },
        "type": notice.type,
        "reason": notice.reason,
        "message": without_middle(notice.message, MAX_EVENT_MESSAGE),
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": identity[:128],
    }


@dataclass(eq=False)
class EventPoster:
    """Posts events one after the other, in the background (`run`)."""

    kube: KubeClient
    identity: str = ""
    _waiting: asyncio.Queue[JsonObject] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    _posted: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def post(self, task: McpTask, notice: Notice) -> None:
        """Queue the event for posting, unless that has been done before."""
        self._queue(make_event(task, notice, self.identity, utc_now()))

    def post_about_template(self, template: TemplateObject, notice: Notice) -> None:
        """Queue the event for posting, unless that has been done in this hour."""
        self._queue(make_template_event(template, notice, self.identity, utc_now()))

    def _queue(self, event: JsonObject) -> None:
        if event["metadata"]["name"] in self._posted:
            return
        self._posted[event["metadata"]["name"]] = None
        while len(self._posted) > REMEMBERED:
            self._posted.popitem(last=False)
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            name = event["involvedObject"]["name"]
            logger.warning("too many events wait to be posted; dropped %s of %s", event["reason"], name)

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            await self._send(await self._waiting.get())

    async def _send(self, event: JsonObject) -> None:
        try:
            await self.kube.create(EVENTS, event, event["metadata"]["namespace"])
        except AlreadyExistsError:
            pass
        except KubeError as error:
            logger.warning("event %s of %s not posted: %s", event["reason"], event["involvedObject"]["name"], error)
