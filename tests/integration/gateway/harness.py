"""A gateway on an embedded cluster, and someone who plays server, operator and runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self
from uuid import uuid4

import anyio
import httpx2
import uvicorn

from mcptasks.gateway.contract import ASSIGNMENT_PATH, OUTCOME_PATH, PROGRESS_PATH
from mcptasks.gateway.gateway import Gateway
from mcptasks.gateway.request_bodies import STALL_SECONDS
from mcptasks.gateway.routes import gateway_app
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import JOBS, MCP_TASKS, PODS, Resource
from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.model.base import API_VERSION, LABEL_TASK_UID, JsonObject
from mcptasks.model.lifecycle import Ending, Retention, end, utc_now
from mcptasks.model.task import McpTask, Phase, Reason
from mcptasks.settings import GATEWAY_AUDIENCE, Settings
from mcptasks.stores.results import Results
from mcptasks_embedded.cluster_thread import EmbeddedClusterThread
from tests.support.polling import until_fits

NOBODYS_JOB = "tests.mcptasks.dev/nobody"
"""Controller of the tests' Jobs: they stay as they are, and the tests make their Pods."""


def result(text: str = '{"content":[]}', **more: Any) -> JsonObject:
    return {"kind": "result", "text": text, **more}


@dataclass
class GatewayWorld:
    """One namespace, and a gateway that is called without a network in between."""

    kube: KubeClient
    cluster: EmbeddedClusterThread
    namespace: str
    written: list[JsonObject] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _http: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._http = await self._stack.enter_async_context(self.gateway())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def gateway(
        self,
        settings: Settings | None = None,
        tasks: TaskClient | None = None,
        *,
        stall_seconds: float = STALL_SECONDS,
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """A client of a gateway of its own."""
        settings = settings or Settings(progress_interval_seconds=60, module="tools.py")
        async with Results.from_settings(settings) as results:
            made = Gateway(self.kube, tasks or TaskClient(self.kube), results, settings, on_written=self.written.append)
            transport = httpx2.ASGITransport(gateway_app(made, stall_seconds=stall_seconds))
            async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
                yield http
            await made.aclose()

    @asynccontextmanager
    async def served(self, settings: Settings, port: int = 0) -> AsyncIterator[str]:
        """A gateway on a port (any free one); gives its URL."""
        async with Results.from_settings(settings) as results:
            app = gateway_app(Gateway(self.kube, TaskClient(self.kube), results, settings))
            server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
            serving = asyncio.create_task(server.serve())
            try:
                with anyio.fail_after(60):
                    while not server.started:  # noqa: ASYNC110 (nothing tells)
                        await anyio.sleep(0.01)
                yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving

    # --- the server's part ---

    async def submit(self, **spec: Any) -> JsonObject:
        """A new task with its Job."""
        name = f"report-{uuid4().hex[:10]}"
        body = {
            "apiVersion": API_VERSION,
            "kind": "McpTask",
            "metadata": {"name": name},
            "spec": {"component": {"kind": "tool", "name": "report"}, **spec},
        }
        task = await self.kube.create(MCP_TASKS, body, self.namespace)
        await self._create_job(task)
        return task

    async def task(self, task: JsonObject) -> McpTask:
        """The task as it is now."""
        return parse_task(await self.kube.get(MCP_TASKS, task["metadata"]["name"], self.namespace))

    async def until(self, task: JsonObject, fits: Callable[[McpTask], bool]) -> McpTask:
        """Wait until the task fits."""
        return await until_fits(f"task {task['metadata']['name']}", partial(self.task, task), fits, every=0.02)

    async def cancel(self, task: JsonObject) -> None:
        """What `tasks/cancel` does."""
        ending = Ending(Phase.CANCELLED, Reason.CANCELLED_BY_CALLER, "cancelled")
        now = utc_now()

        def change(known: McpTask) -> JsonObject | None:
            return None if known.terminal else end(known, ending, now, Retention(3_600_000, 30))

        await TaskClient(self.kube).update_status(task, change)

    async def patch(self, task: JsonObject, body: JsonObject, subresource: str | None = None) -> None:
        await self.kube.patch(MCP_TASKS, task["metadata"]["name"], body, self.namespace, subresource=subresource)

    # --- the operator's and the cluster's part ---

    async def _create_job(self, task: JsonObject) -> None:
        metadata = task["metadata"]
        body = {
            "metadata": {"name": metadata["name"], "ownerReferences": [owner(task, "McpTask", API_VERSION)]},
            "spec": {
                "managedBy": NOBODYS_JOB,
                "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "runner", "image": "local"}]}},
            },
        }
        await self.kube.create(JOBS, body, self.namespace)

    async def pod(self, task: JsonObject, **spec: Any) -> JsonObject:
        """A new Pod of the task's Job. No node takes it, so that nothing runs in it."""
        job = await self.kube.get(JOBS, task["metadata"]["name"], self.namespace)
        body = {
            "metadata": {
                "name": f"{job['metadata']['name']}-{uuid4().hex[:5]}",
                "labels": {LABEL_TASK_UID: task["metadata"]["uid"]},
                "ownerReferences": [owner(job, "Job", "batch/v1")],
            },
            "spec": {
                "restartPolicy": "Never",
                "nodeSelector": {"no": "node"},
                "containers": [{"name": "runner", "image": "local"}],
                **spec,
            },
        }
        return await self.kube.create(PODS, body, self.namespace)

    async def finish_pod(self, pod: JsonObject) -> None:
        """Its container has ended."""
        await self.kube.patch(
            PODS, pod["metadata"]["name"], {"status": {"phase": "Failed"}}, self.namespace, subresource="status"
        )

    async def token(self, pod: JsonObject | None, audience: str = GATEWAY_AUDIENCE) -> str:
        """What the kubelet mounts into the Pod; without one, a token that is bound to nothing."""
        spec: JsonObject = {"audiences": [audience], "expirationSeconds": 3600}
        if pod is not None:
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid}
        requests = Resource("", "v1", "serviceaccounts/default/token")
        answer = await self.kube.create(requests, {"spec": spec}, self.namespace)
        return str(answer["status"]["token"])

    async def expired_token(self, pod: JsonObject) -> str:
        account = await self.kube.get(Resource("", "v1", "serviceaccounts"), "default", self.namespace)
        issue = self.cluster.cluster.tokens.issue
        issued = await asyncio.to_thread(self.cluster.call, issue, account, [GATEWAY_AUDIENCE], -1, pod)
        return str(issued.token)

    # --- the runner's part ---

    async def runner(self, task: JsonObject, **spec: Any) -> GatewayCaller:
        """A new attempt: a Pod with its token. It has not called yet."""
        pod = await self.pod(task, **spec)
        return GatewayCaller(self, pod, await self.token(pod))

    async def claimed(self, task: JsonObject) -> GatewayCaller:
        """A new attempt that has fetched its assignment."""
        runner = await self.runner(task)
        assert (await runner.fetch()).status_code == 200
        return runner

    async def call(
        self, method: str, path: str, token: str, body: Any = None, http: httpx2.AsyncClient | None = None
    ) -> httpx2.Response:
        client = http or self._http
        assert client is not None
        return await client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})


@dataclass(frozen=True)
class GatewayCaller:
    """One attempt."""

    world: GatewayWorld
    pod: JsonObject
    token: str
    http: httpx2.AsyncClient | None = None

    def at(self, http: httpx2.AsyncClient) -> GatewayCaller:
        """The same attempt with another gateway."""
        return GatewayCaller(self.world, self.pod, self.token, http)

    async def fetch(self) -> httpx2.Response:
        return await self.world.call("GET", ASSIGNMENT_PATH, self.token, http=self.http)

    async def report(self, current: float, total: float | None = None, message: str | None = None) -> httpx2.Response:
        body = {"current": current, "total": total, "message": message}
        return await self.world.call("POST", PROGRESS_PATH, self.token, body, self.http)

    async def deliver(self, outcome: JsonObject) -> httpx2.Response:
        return await self.world.call("POST", OUTCOME_PATH, self.token, outcome, self.http)

    async def upload(self, body: AsyncIterator[bytes], path: str = OUTCOME_PATH) -> httpx2.Response:
        """An outcome in pieces, without its length, to a gateway of the test's own."""
        assert self.http is not None
        return await self.http.post(path, content=body, headers={"Authorization": f"Bearer {self.token}"})


def owner(item: JsonObject, kind: str, api_version: str) -> JsonObject:
    metadata = item["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }


def code(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["code"]
