"""What one may do with the dashboard, and which right of the Kubernetes API that takes: the same as with kubectl."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import EVENTS, MCP_TASK_TEMPLATES, MCP_TASKS, PODS
from mcptasks.kube.reviews import AccessRequest, KubeUser, review_access

REMEMBERED_SECONDS = 30.0
"""How long an answer of the API server holds, and so for how long a right that was taken away still does."""

REMEMBERED_ANSWERS = 20_000


class Right(Enum):
    """What a viewer wants to do in a namespace, by the verb and the resource that kubectl would need."""

    LIST_TASKS = AccessRequest("list", MCP_TASKS)
    READ_TASK = AccessRequest("get", MCP_TASKS)
    CALL = AccessRequest("create", MCP_TASKS)
    CANCEL = AccessRequest("patch", MCP_TASKS)
    ANSWER = AccessRequest("patch", MCP_TASKS, "status")
    READ_LOG = AccessRequest("get", PODS, "log")
    READ_PODS = AccessRequest("list", PODS)
    READ_EVENTS = AccessRequest("list", EVENTS)
    READ_TEMPLATES = AccessRequest("list", MCP_TASK_TEMPLATES)

    def request(self, namespace: str | None) -> AccessRequest:
        """The question to the API server; None asks for all namespaces at once."""
        asked = self.value
        return AccessRequest(asked.verb, asked.resource, asked.subresource, namespace)

    @property
    def as_kubectl(self) -> str:
        """The right as one would grant it, for people: `patch mcptasks/status`."""
        asked = self.value
        return f"{asked.verb} {asked.resource.plural}{f'/{asked.subresource}' if asked.subresource else ''}"


@dataclass(frozen=True)
class Viewer:
    """Who looks: a user of the cluster, or, where nobody is asked, whoever has this machine (`user` is None)."""

    user: KubeUser | None = None

    @property
    def name(self) -> str:
        return "" if self.user is None else self.user.name


class AccessReviewer(Protocol):
    """Answers whether a user may do something."""

    async def __call__(self, user: KubeUser, wanted: AccessRequest) -> bool:
        """Raises KubeError where that cannot be found out."""
        ...


@dataclass(frozen=True)
class ClusterReviewer:
    """Asks the API server."""

    kube: KubeClient

    async def __call__(self, user: KubeUser, wanted: AccessRequest) -> bool:
        return await review_access(self.kube, user, wanted)


_Question = tuple[KubeUser, AccessRequest]


@dataclass
class _Known:
    answer: asyncio.Task[bool]
    until: float


@dataclass
class Rights:
    """Who may do what. Answers are remembered for half a minute; who asks the same meanwhile waits for that one."""

    review: AccessReviewer
    clock: Callable[[], float] = time.monotonic
    _known: OrderedDict[_Question, _Known] = field(default_factory=OrderedDict)

    async def has(self, viewer: Viewer, right: Right, namespace: str | None) -> bool:
        """Whether the viewer has the right in the namespace (in all of them: None). Raises KubeError."""
        if viewer.user is None:
            return True
        question = (viewer.user, right.request(namespace))
        known = self._known.get(question)
        if known is None or known.until <= self.clock():
            answer = asyncio.create_task(self.review(*question))
            known = self._known[question] = _Known(answer, self.clock() + REMEMBERED_SECONDS)
            self._known.move_to_end(question)
            while len(self._known) > REMEMBERED_ANSWERS:
                self._known.popitem(last=False)
        try:
            return await asyncio.shield(known.answer)
        except Exception:
            if self._known.get(question) is known:
                del self._known[question]
            raise

    async def all_of(self, viewer: Viewer, namespace: str) -> frozenset[Right]:
        """The rights that the viewer has in the namespace. Raises KubeError."""
        found = await asyncio.gather(*(self.has(viewer, right, namespace) for right in Right))
        return frozenset(right for right, has in zip(Right, found, strict=True) if has)

    async def namespaces(self, viewer: Viewer, right: Right, of: Iterable[str]) -> frozenset[str]:
        """Those of the namespaces in which the viewer has the right. Raises KubeError."""
        wanted = sorted(set(of))
        if len(wanted) > 1 and await self.has(viewer, right, None):
            return frozenset(wanted)
        found = await asyncio.gather(*(self.has(viewer, right, namespace) for namespace in wanted))
        return frozenset(namespace for namespace, has in zip(wanted, found, strict=True) if has)
