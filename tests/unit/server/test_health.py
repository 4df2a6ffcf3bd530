"""Whether a server should get calls."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import TaskClient
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.server.health import unreadiness
from mcptasks.settings import Settings
from mcptasks.stores.results import Results
from mcptasks.tasks.service import TaskService
from tests.unit.operator.builders import until

pytestmark = pytest.mark.anyio


class TestReadiness:
    """A server gets calls where it can answer them as well as any other."""

    @pytest.fixture
    def service(self) -> TaskService:
        cache = WatchCache(cast(KubeClient, None), MCP_TASKS, "ns")
        settings = Settings()
        return TaskService(settings, "ns", cast(TaskClient, None), cache, Results.from_settings(settings))

    def test_not_before_the_first_list(self, service: TaskService) -> None:
        assert unreadiness(service) == "waiting for the Kubernetes API"
        service.cache.synced.set()
        assert unreadiness(service) is None

    def test_not_once_it_drains(self, service: TaskService) -> None:
        service.cache.synced.set()
        service.draining.set()
        assert unreadiness(service) == "draining"

    async def test_not_once_it_has_lost_the_api_server_for_long(self) -> None:
        class Away:
            async def list(self, *_: object, **__: object) -> None:
                raise UnavailableError(0, "Unavailable", "cannot reach it")

        cache = WatchCache(cast(KubeClient, Away()), MCP_TASKS, "ns")
        cache.synced.set()
        settings = Settings()
        service = TaskService(settings, "ns", cast(TaskClient, None), cache, Results.from_settings(settings))
        running = asyncio.create_task(cache.run())
        try:
            await until(lambda: cache.unreachable_seconds > 0)
            assert unreadiness(service) is None
            assert "out of sync" in (unreadiness(service, stale_seconds=0.0) or "")
        finally:
            running.cancel()
            await asyncio.wait([running])
