"""What thousands of finished McpTasks cost server and operator, without a cluster: one JSON object on standard output.

    python benchmarks/objects.py --tasks 10000

CPU seconds of this process for what the components do with the objects once the API server has sent them, and the
memory that the objects then take. `whole` keeps them as they come, `kept` as the server's cache does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.finished import Finished, finished_status  # noqa: E402
from benchmarks.measure import machine, printed  # noqa: E402
from mcptasks.kube.api_client import KubeClient  # noqa: E402
from mcptasks.kube.kinds import MCP_TASKS  # noqa: E402
from mcptasks.kube.task_objects import TaskClient, parse_task  # noqa: E402
from mcptasks.kube.watch_cache import WatchCache  # noqa: E402
from mcptasks.model.base import JsonObject  # noqa: E402
from mcptasks.model.lifecycle import timestamp, utc_now  # noqa: E402
from mcptasks.model.task_template import McpTaskTemplateSpec  # noqa: E402
from mcptasks.settings import Settings  # noqa: E402
from mcptasks.stores.results import Results  # noqa: E402
from mcptasks.tasks.cached_tasks import cached  # noqa: E402
from mcptasks.tasks.service import TaskService  # noqa: E402
from mcptasks_operator.acting.events import EventPoster  # noqa: E402
from mcptasks_operator.acting.executors import Executors  # noqa: E402
from mcptasks_operator.acting.gatherer import Gatherer, NamespaceEvents  # noqa: E402
from mcptasks_operator.acting.pool_keeper import PoolKeeper  # noqa: E402
from mcptasks_operator.acting.reconciler import Reconciler  # noqa: E402
from mcptasks_operator.watching.cache import Cache  # noqa: E402
from mcptasks_operator.watching.watched_kinds import WatchedKind  # noqa: E402

NOBODY = cast(KubeClient, None)
"""Nothing here asks the API server for anything."""

NAMESPACE = "default"
GETS = 1000


@contextmanager
def measured(report: dict[str, object], name: str, times: int = 1) -> Iterator[None]:
    """CPU milliseconds and MiB of memory that the block has taken."""
    gc.collect()
    memory, start = psutil.Process().memory_info().rss, time.process_time()
    yield
    cpu = time.process_time() - start
    gc.collect()
    grown = (psutil.Process().memory_info().rss - memory) / 2**20
    report[name] = {"cpu_ms": round(1000 * cpu / times, 3), "mib": round(grown, 1)}


def texts(count: int) -> list[str]:
    """Finished tasks as the API server sends them, managed fields included."""
    maker = Finished(Path(), NAMESPACE)
    return [json.dumps(_stored(maker.body(), number)) for number in range(count)]


def _stored(item: JsonObject, number: int) -> JsonObject:
    now = utc_now()
    item["metadata"] |= {
        "uid": f"00000000-0000-0000-0000-{number:012d}",
        "resourceVersion": str(number + 1),
        "generation": 1,
        "creationTimestamp": timestamp(now),
    }
    item["status"] = finished_status(item, now)["status"]
    managers = (("mcptasks-server", "spec"), ("mcptasks-server", "status"), ("mcptasks-operator", "status"))
    item["metadata"]["managedFields"] = [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": item["apiVersion"],
            "time": timestamp(now),
            "fieldsType": "FieldsV1",
            "fieldsV1": {f"f:{part}": {f"f:{name}": {} for name in item[part]}},
        }
        for manager, part in managers
    ]
    return item


def server(stored: list[str], trim: Callable[[JsonObject], JsonObject]) -> dict[str, object]:
    """The server's cache, and reads from it."""
    report: dict[str, object] = {}
    settings = Settings(single_user=True)
    cache = WatchCache(NOBODY, MCP_TASKS, NAMESPACE, trim=trim)
    with measured(report, "fill"):
        for text in stored:
            cache.add(json.loads(text))
    service = TaskService(settings, NAMESPACE, TaskClient(NOBODY), cache, Results.from_settings(settings))
    name = json.loads(stored[len(stored) // 2])["metadata"]["name"]
    with measured(report, "get", GETS):
        asyncio.run(_get(service, name))
    with measured(report, "list_first_page"):
        service.list(None)
    with measured(report, "parse_all"):
        for item in cache.values():
            parse_task(item)
    return report


async def _get(service: TaskService, name: str) -> None:
    for _ in range(GETS):
        await service.get(name, None)


def operator(stored: list[str]) -> dict[str, object]:
    """What the operator does every `MCPTASKS_RESYNC_SECONDS`: take in the list, look at every task."""
    report: dict[str, object] = {}
    cache, settings = Cache(), Settings()
    template = {"metadata": {"name": "default", "namespace": NAMESPACE, "uid": "t", "resourceVersion": "1"}}
    cache.put(WatchedKind.TEMPLATE, template | {"spec": McpTaskTemplateSpec().dump()})
    with measured(report, "fill"):
        for text in stored:
            cache.put(WatchedKind.TASK, json.loads(text))
    reconciler = Reconciler(
        NOBODY,
        cache,
        Executors.build(NOBODY, settings),
        PoolKeeper(NOBODY, cache, settings, wake=lambda _key: None),
        Gatherer(NOBODY, cache, settings.log_tail_lines, NamespaceEvents(NOBODY)),
        EventPoster(NOBODY, "benchmark"),
        settings,
        since=utc_now(),
    )
    with measured(report, "reconcile_all"):
        asyncio.run(_reconcile(reconciler, cache))
    return report


async def _reconcile(reconciler: Reconciler, cache: Cache) -> None:
    for key in cache.tasks:
        await reconciler.reconcile(key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000, help="finished McpTasks")
    arguments = parser.parse_args()
    with printed() as report:
        stored = texts(arguments.tasks)
        report["machine"] = machine()
        report["tasks"] = arguments.tasks
        report["bytes_each"] = sum(map(len, stored)) // len(stored)
        report["operator"] = operator(stored)
        report["server_kept"] = server(stored, cached)
        report["server_whole"] = server(stored, lambda item: item)


if __name__ == "__main__":
    main()
