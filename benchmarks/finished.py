"""Thousands of finished McpTasks, as tools would have left them, without having run any."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import parse_task
from mcptasks.model import names
from mcptasks.model.base import API_VERSION, LABEL_COMPONENT, LABEL_SERVER, JsonObject
from mcptasks.model.lifecycle import PODS_TERMINATED, Ending, Retention, conditions, end, utc_now
from mcptasks.model.task import Condition, Phase, Reason, ResultRecord

RESULT = json.dumps(
    {
        "content": [{"type": "text", "text": '{"total": 3, "terms": [1, 2]}'}],
        "structuredContent": {"total": 3, "terms": [1, 2]},
        "isError": False,
    }
)
AT_ONCE = 32
TTL = timedelta(days=1)


@dataclass(frozen=True)
class Finished:
    """Makes finished tasks that stay for a day."""

    kubeconfig: Path
    namespace: str

    def make(self, count: int) -> list[str]:
        """Create them; their names."""
        return asyncio.run(self._make(count))

    async def _make(self, count: int) -> list[str]:
        left = iter(range(count))
        async with await ClusterAccess(self.kubeconfig).connect("mcptasks-benchmark") as kube:

            async def work() -> list[str]:
                return [await self._one(kube) for _ in left]

            made = await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return [name for names in made for name in names]

    async def _one(self, kube: KubeClient) -> str:
        item = await kube.create(MCP_TASKS, self.body(), self.namespace)
        name: str = item["metadata"]["name"]
        await kube.patch(MCP_TASKS, name, finished_status(item, utc_now()), self.namespace, subresource="status")
        return name

    def body(self) -> JsonObject:
        """A new task, as the server makes it."""
        return {
            "apiVersion": API_VERSION,
            "kind": "McpTask",
            "metadata": {
                "name": names.task_name("add"),
                "namespace": self.namespace,
                "labels": {LABEL_SERVER: "default", LABEL_COMPONENT: "add"},
            },
            "spec": {
                "server": "default",
                "component": {"kind": "tool", "name": "add"},
                "arguments": {"a": 1, "b": 2},
                "ttlMs": TTL // timedelta(milliseconds=1),
            },
        }


def finished_status(item: JsonObject, now: datetime) -> JsonObject:
    """The status patch that says that the task and its Pod have ended."""
    task = parse_task(item)
    record = ResultRecord(text=RESULT, size_bytes=len(RESULT), sha256=hashlib.sha256(RESULT.encode()).hexdigest())
    ending = Ending(Phase.COMPLETED, Reason.COMPLETED, "The tool has returned a result.", result=record)
    patch = end(task, ending, now, Retention(0, 0))
    gone = Condition(type=PODS_TERMINATED, status="True", reason="Terminated", message="after 1.0 s")
    patch["status"]["conditions"] += conditions(task, now, gone)
    return patch
