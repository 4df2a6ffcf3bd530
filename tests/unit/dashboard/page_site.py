"""The dashboard over doubles: a cluster that is a dictionary, and viewers with the rights that they are given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2

from mcptasks.dashboard.dashboard_app import dashboard_app
from mcptasks.dashboard.rights import Right, Rights
from mcptasks.dashboard.seals import Seals
from mcptasks.dashboard.sign_in import OpenSignIn, SignIn, TokenSignIn
from mcptasks.dashboard.task_facts import TaskLookup
from mcptasks.dashboard.task_index import TaskIndex
from mcptasks.dashboard.visits import Services
from mcptasks.kube.api_client import KubeClient, LogOptions, ObjectList
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import MCP_TASKS, PODS, Resource
from mcptasks.kube.reviews import AccessRequest, KubeUser
from mcptasks.model.base import JsonObject
from mcptasks.server.allowed_sources import AllowedSources
from mcptasks.settings import Settings
from mcptasks.stores.results import Results

HOST = "127.0.0.1:8090"
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def task_item(name: str, namespace: str = "team", **status: Any) -> JsonObject:
    """A task's object."""
    return {
        "apiVersion": "mcptasks.dev/v1alpha1",
        "kind": "McpTask",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "creationTimestamp": "2026-11-30T12:00:00Z",
        },
        "spec": {"server": "default", "component": {"kind": "tool", "name": "report"}, "arguments": {"top": 3}},
        "status": {"phase": "working", "reason": "Running", "startedAt": "2026-11-30T12:00:05Z"} | status,
    }


@dataclass
class DictionaryCluster:
    """Stands in for `KubeClient`."""

    tasks: dict[tuple[str, str], JsonObject] = field(default_factory=dict)
    pods: list[JsonObject] = field(default_factory=list)
    logs: Mapping[str, list[str]] = field(default_factory=dict)
    events: list[JsonObject] = field(default_factory=list)
    written: list[tuple[str, str, JsonObject]] = field(default_factory=list)
    reads: list[tuple[str, str]] = field(default_factory=list)
    listed: list[tuple[str, str | None]] = field(default_factory=list)

    @staticmethod
    def _key(item: JsonObject) -> tuple[str, str]:
        return item["metadata"].get("namespace", ""), item["metadata"]["name"]

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> JsonObject:
        self.reads.append((resource.plural, name))
        known = self.tasks if resource == MCP_TASKS else {self._key(pod): pod for pod in self.pods}
        found = known.get((namespace or "", name))
        if found is None:
            raise NotFoundError(404, "NotFound", f"{name} not found")
        return found

    async def create(self, resource: Resource, body: JsonObject, namespace: str | None = None) -> JsonObject:
        self.written.append(("create", body["metadata"]["name"], body))
        return body

    async def patch(
        self, resource: Resource, name: str, body: JsonObject, namespace: str | None = None, **_more: str
    ) -> JsonObject:
        self.written.append(("patch", name, body))
        return await self.get(resource, name, namespace)

    async def list(self, resource: Resource, namespace: str | None = None, **_selectors: str | None) -> ObjectList:
        self.reads.append((resource.plural, ""))
        self.listed.append((resource.plural, namespace))
        return ObjectList(self.pods if resource == PODS else self.events, "7")

    async def log_lines(self, pod: str, namespace: str, options: LogOptions | None = None) -> AsyncIterator[str]:
        for line in self.logs.get(pod, ()):
            yield line


@dataclass
class GivenRights:
    """Stands in for the API server's SubjectAccessReview: who has which rights where."""

    given: set[tuple[str, Right, str]] = field(default_factory=set)
    asked: list[AccessRequest] = field(default_factory=list)

    async def __call__(self, user: KubeUser, wanted: AccessRequest) -> bool:
        self.asked.append(wanted)
        return any(name == user.name and right.request(namespace) == wanted for name, right, namespace in self.given)


async def user_of_token(token: str) -> KubeUser | None:
    """A token is good where it begins with `of-`; the rest names the user."""
    return KubeUser(token.removeprefix("of-")) if token.startswith("of-") else None


@dataclass
class PageSite:
    """A dashboard to ask for pages."""

    cluster: DictionaryCluster = field(default_factory=DictionaryCluster)
    reviews: GivenRights = field(default_factory=GivenRights)
    seals: Seals = field(default_factory=Seals)
    sign_in: SignIn | None = None
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self.services = Services(
            settings=self.settings,
            index=TaskIndex(),
            lookup=TaskLookup(cast(KubeClient, self.cluster), Results.from_settings(self.settings)),
            rights=Rights(self.reviews),
            sign_in=self.sign_in or OpenSignIn(),
            seals=self.seals,
            allowed=AllowedSources.from_settings(self.settings),
            watched=None,
        )

    @classmethod
    def asking_for_tokens(cls) -> PageSite:
        """One where viewers show a token."""
        seals = Seals()
        return cls(seals=seals, sign_in=TokenSignIn(user_of_token, seals))

    def put(self, *items: JsonObject) -> None:
        """Have the cluster hold the tasks, and its watch tell of them."""
        for item in items:
            self.cluster.tasks[item["metadata"]["namespace"], item["metadata"]["name"]] = item
            self.services.index.changed(self.services.index.trimmed(item), watched=True)

    def allow(self, user: str, namespace: str, *rights: Right) -> None:
        self.reviews.given |= {(user, right, namespace) for right in rights}

    @asynccontextmanager
    async def browser(self, host: str = HOST, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
        """A client that asks for pages and keeps cookies."""
        transport = httpx2.ASGITransport(dashboard_app(self.services))
        accepted = {"accept": "text/html"} | headers
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://{host}", headers=accepted) as client:
            yield client


def with_result(item: JsonObject, result: object) -> JsonObject:
    """The task with that result."""
    text = json.dumps(result)
    digest = hashlib.sha256(text.encode()).hexdigest()
    item["status"]["result"] = {"text": text, "sizeBytes": len(text.encode()), "sha256": digest}
    return item


def evil_site() -> PageSite:
    """One with a task that would break out of its page wherever something is not escaped."""
    site = PageSite()
    item = task_item(
        "evil",
        message=EVIL,
        reason="ToolError",
        phase="failed",
        logTail=EVIL,
        progress={"current": 1, "total": 2, "message": EVIL},
        conditions=[{"type": "Succeeded", "status": "False", "reason": "X", "message": EVIL}],
    )
    item["spec"] |= {
        "component": {"kind": "tool", "name": EVIL},
        "arguments": {EVIL: EVIL},
        "principal": {"subject": EVIL},
    }
    text = {"type": "text", "text": EVIL}
    site.put(with_result(item, {"content": [text], "structuredContent": {EVIL: [{EVIL: EVIL}]}, "isError": True}))
    site.cluster.events = [{"reason": EVIL, "message": EVIL, "involvedObject": {"kind": EVIL, "name": EVIL}}]
    return site
