"""An embedded cluster in a thread of its own, for callers without an event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from mcptasks_embedded.cluster import ClusterConfig, EmbeddedCluster

T = TypeVar("T")


class EmbeddedClusterThread:
    """An embedded cluster in a thread and event loop of its own, for callers without one."""

    def __init__(self, config: ClusterConfig | None = None) -> None:
        self.cluster = EmbeddedCluster(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return self.cluster.url

    @property
    def kubeconfig(self) -> Path:
        return self.cluster.kubeconfig

    @property
    def admin_token(self) -> str:
        return self.cluster.admin_token

    @property
    def client_ca(self) -> Path:
        return self.cluster.client_ca

    def start(self) -> Self:
        """Raises ClusterError."""
        ready: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._main, args=(ready,), name="mcptasks-cluster", daemon=True)
        self._thread.start()
        self._loop = ready.result()
        try:
            self.run(self.cluster.start())
        except BaseException:
            self._end_loop()
            raise
        return self

    def _main(self, ready: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        async def serve() -> None:
            self._stopped = asyncio.Event()
            ready.set_result(asyncio.get_running_loop())
            await self._stopped.wait()

        asyncio.run(serve())

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the cluster's loop and wait for its result."""
        if self._loop is None:
            raise RuntimeError("the cluster is not running")
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call a plain function (a fault hook, for example) in the cluster's loop and wait for its result."""

        async def invoke() -> T:
            return function(*args)

        return self.run(invoke())

    def stop(self) -> None:
        if self._loop is not None:
            try:
                self.run(self.cluster.stop())
            finally:
                self._end_loop()

    def _end_loop(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()
            self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
