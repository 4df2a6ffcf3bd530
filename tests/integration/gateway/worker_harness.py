"""A gateway with watches, and someone who plays a worker: a Pod with its token that reads orders and reports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import anyio
import httpx2
import uvicorn

from mcptasks.gateway.contract import (
    ATTEMPT_HEADER,
    OUTCOME_PATH,
    PROGRESS_PATH,
    TASK_HEADER,
    TASK_UID_HEADER,
    WORK_PATH,
)
from mcptasks.gateway.dispatcher import WorkSources
from mcptasks.gateway.gateway import Gateway
from mcptasks.gateway.order_stream import StreamPace
from mcptasks.gateway.request_bodies import STALL_SECONDS
from mcptasks.gateway.routes import gateway_app
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS, PODS
from mcptasks.kube.task_objects import TaskClient
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import (
    ANNOTATION_CONCURRENCY,
    ANNOTATION_TASKS_PER_WORKER,
    ANNOTATION_TEMPLATE_HASH,
    API_VERSION,
    LABEL_TEMPLATE,
    LABEL_WORKER,
    JsonObject,
)
from mcptasks.model.task_template import McpTaskTemplateSpec, worker_hash
from mcptasks.settings import Settings
from mcptasks.stores.results import Results
from mcptasks.tasks.cached_tasks import cached
from tests.integration.gateway.harness import GatewayWorld, owner
from tests.support.polling import eventually_async

MODULE = "digest-of-the-module"
PACE = StreamPace(alive_seconds=0.3, write_seconds=5)


@dataclass
class Replica:
    """A gateway on a port, with the caches that a server has."""

    url: str
    gateway: Gateway
    tasks: WatchCache
    http: httpx2.AsyncClient
    watch: asyncio.Task[None]

    async def fall_behind(self) -> None:
        """Hear nothing more of tasks."""
        self.watch.cancel()
        await asyncio.wait((self.watch,))


@asynccontextmanager
async def replica(
    world: GatewayWorld,
    *,
    module: str = MODULE,
    pace: StreamPace = PACE,
    client: TaskClient | None = None,
    stall_seconds: float = STALL_SECONDS,
    redis_url: str | None = None,
) -> AsyncIterator[Replica]:
    """A replica of the server's gateway, in step with the cluster."""
    settings = Settings(progress_interval_seconds=60, module="tools.py", redis_url=redis_url)
    async with AsyncExitStack() as stack:
        results = await stack.enter_async_context(Results.from_settings(settings))
        tasks = WatchCache(world.kube, MCP_TASKS, world.namespace, trim=cached)
        templates = WatchCache(world.kube, MCP_TASK_TEMPLATES, world.namespace)
        workers = WatchCache(world.kube, PODS, world.namespace, label_selector=f"{LABEL_WORKER}=true")
        work = WorkSources(world.namespace, module, templates, workers)
        gateway = Gateway(
            world.kube,
            client or TaskClient(world.kube),
            results,
            settings,
            on_written=tasks.add,
            cache=tasks,
            work=work,
        )
        watching = [asyncio.create_task(cache.run()) for cache in (templates, workers, tasks)]
        for cache in (templates, workers, tasks):
            await cache.synced.wait()
        app = gateway_app(gateway, stall_seconds=stall_seconds, pace=pace)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve())
        with anyio.fail_after(60):
            while not server.started:  # noqa: ASYNC110 (nothing tells)
                await anyio.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=30))
        try:
            yield Replica(url, gateway, tasks, http, watching[-1])
        finally:
            await gateway.aclose()
            server.should_exit = True
            await serving
            for watch in watching:
                watch.cancel()
            await asyncio.wait(watching)


async def warm_template(world: GatewayWorld, name: str = "warm", **warm: Any) -> JsonObject:
    """A template whose tasks workers run, without a limit of tasks for each unless it is given."""
    body = {
        "apiVersion": API_VERSION,
        "kind": "McpTaskTemplate",
        "metadata": {"name": name},
        "spec": {"executor": "Warm", "warm": {"tasksPerWorker": 0} | warm},
    }
    return await world.kube.create(MCP_TASK_TEMPLATES, body, world.namespace)


async def warm_task(world: GatewayWorld, template: str = "warm", **spec: Any) -> JsonObject:
    """A task that waits for a worker."""
    body = {
        "apiVersion": API_VERSION,
        "kind": "McpTask",
        "metadata": {"name": f"report-{uuid4().hex[:10]}"},
        "spec": {
            "component": {"kind": "tool", "name": "report"},
            "templateRef": {"name": template},
            **spec,
        },
    }
    return await world.kube.create(MCP_TASKS, body, world.namespace)


async def make_worker(world: GatewayWorld, template: JsonObject, **metadata: Any) -> PlayedWorker:
    """A worker's Pod with its token. No node takes it, so that nothing runs in it."""
    spec = McpTaskTemplateSpec.model_validate(template["spec"])
    assert spec.warm is not None
    name = template["metadata"]["name"]
    body = {
        "metadata": {
            "name": f"{name}-w-{uuid4().hex[:5]}",
            "labels": {LABEL_WORKER: "true", LABEL_TEMPLATE: name},
            "annotations": {
                ANNOTATION_TEMPLATE_HASH: worker_hash(spec),
                ANNOTATION_TASKS_PER_WORKER: str(spec.warm.tasks_per_worker),
                ANNOTATION_CONCURRENCY: str(spec.warm.concurrency),
            },
            "ownerReferences": [owner(template, "McpTaskTemplate", API_VERSION)],
            **metadata,
        },
        "spec": {
            "restartPolicy": "Never",
            "nodeSelector": {"no": "node"},
            "containers": [{"name": "runner", "image": "local"}],
        },
    }
    pod = await world.kube.create(PODS, body, world.namespace)
    return PlayedWorker(world, pod, await world.token(pod))


@dataclass
class PlayedWorker:
    """A worker. Reads orders as they come. `orders` are those that say anything."""

    world: GatewayWorld
    pod: JsonObject
    token: str
    orders: list[JsonObject] = field(default_factory=list)
    alive: int = 0
    _reading: asyncio.Task[None] | None = None
    _at: Replica | None = None
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def connected(self) -> bool:
        return self._reading is not None and not self._reading.done()

    @asynccontextmanager
    async def working(self, at: Replica, *, holds: str = "", module: str = MODULE) -> AsyncIterator[PlayedWorker]:
        """Connected to the gateway, for as long as the context lasts."""
        await self.connect(at, holds=holds, module=module)
        try:
            yield self
        finally:
            await self.disconnect()

    async def connect(self, at: Replica, *, holds: str = "", module: str = MODULE) -> None:
        """Connect, in place of an earlier connection, and wait until the answer has begun."""
        await self.disconnect()
        self._at, self._answered = at, asyncio.Event()
        self._reading = asyncio.create_task(self._read(at, holds, module))
        await asyncio.wait((self._reading, asyncio.ensure_future(self._answered.wait())), return_when="FIRST_COMPLETED")
        if self._reading.done():
            self._reading.result()

    async def disconnect(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
            self._reading = None

    async def _read(self, at: Replica, holds: str, module: str) -> None:
        query = urlencode({"module": module, "concurrency": "1", "holds": holds})
        async with at.http.stream("GET", f"{WORK_PATH}?{query}", headers=self.headers()) as answer:
            if answer.status_code != 200:
                await answer.aread()
                raise AssertionError(f"refused: {answer.status_code} {answer.text}")
            self._answered.set()
            async for line in answer.aiter_lines():
                order = json.loads(line)
                if order["kind"] == "alive":
                    self.alive += 1
                else:
                    self.orders.append(order)

    async def told(self, kind: str, fits: Callable[[JsonObject], bool] = lambda _: True) -> JsonObject:
        """The first order of the kind that fits, once it is there; it is taken out."""
        found: list[JsonObject] = []

        async def look() -> bool:
            found.extend(order for order in self.orders if order["kind"] == kind and fits(order))
            return bool(found)

        await eventually_async(f"worker {self.name} is told to {kind}, and not only {self.orders}", look, every=0.01)
        self.orders.remove(found[0])
        return found[0]

    async def runs(self, task: JsonObject | None = None) -> JsonObject:
        """The assignment of the task, or of any, once the worker is told to run it."""
        uid = None if task is None else task["metadata"]["uid"]
        order = await self.told("run", lambda order: uid in (None, order["uid"]))
        self.orders = [o for o in self.orders if not (o["kind"] == "prepare" and o["uid"] == order["uid"])]
        assignment: JsonObject = order["assignment"]
        return assignment

    async def told_anything(self) -> None:
        """Wait until there is an order."""

        async def look() -> bool:
            return bool(self.orders)

        await eventually_async(f"worker {self.name} is told something", look, every=0.01)

    async def gone(self) -> None:
        """Wait until the connection has ended."""

        async def look() -> bool:
            return not self.connected

        await eventually_async(f"the connection of worker {self.name} ends", look, every=0.01)

    async def nothing_comes(self, seconds: float = 0.4) -> None:
        """No order comes for a while in which others would."""
        before = self.alive
        await anyio.sleep(seconds)

        async def look() -> bool:
            return self.alive > before

        await eventually_async(f"worker {self.name} hears that its connection stands", look)
        assert self.orders == []

    async def deliver(self, run: JsonObject, outcome: JsonObject, at: Replica | None = None) -> httpx2.Response:
        return await self._post(OUTCOME_PATH, run, outcome, at)

    async def report(self, run: JsonObject, current: float, at: Replica | None = None) -> httpx2.Response:
        return await self._post(PROGRESS_PATH, run, {"current": current}, at)

    async def _post(self, path: str, run: JsonObject, body: JsonObject, at: Replica | None) -> httpx2.Response:
        replica = at or self._at
        assert replica is not None
        return await self.request(replica, "POST", path, run, body)

    async def request(
        self, at: Replica, method: str, path: str, run: JsonObject, body: JsonObject | None = None
    ) -> httpx2.Response:
        """A call about the attempt that `run` names."""
        return await at.http.request(method, path, json=body, headers=self.headers(run))

    def headers(self, run: JsonObject | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if run is None else named_headers(self.token, run)


def named_headers(token: str, run: JsonObject) -> dict[str, str]:
    """Headers of a worker's call about the attempt."""
    named = {TASK_HEADER: run["taskId"], TASK_UID_HEADER: run["uid"], ATTEMPT_HEADER: str(run["attempt"])}
    return {"Authorization": f"Bearer {token}"} | named


def held(run: JsonObject) -> str:
    """The attempt as a worker names it that holds it."""
    return f"{run['uid']}:{run['attempt']}"


async def known_to(at: Replica, task: JsonObject, fits: Callable[[JsonObject], bool]) -> None:
    """Wait until the replica's watch has brought a state of the task that fits."""
    get = partial(at.tasks.get, task["metadata"]["namespace"], task["metadata"]["name"])

    async def look() -> bool:
        item = get()
        return item is not None and fits(item)

    await eventually_async("the watch brings the task", look, every=0.01)
