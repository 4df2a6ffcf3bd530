"""The embedded cluster: API server on loopback, controllers and kubelet, in one event loop, with no set-up."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from aiohttp import web

from mcptasks_embedded.access.rbac import Authorizer
from mcptasks_embedded.access.tokens import Tokens
from mcptasks_embedded.api.kubeconfig import kubeconfig
from mcptasks_embedded.api.server import ApiServer
from mcptasks_embedded.api.tls import make_server_tls
from mcptasks_embedded.controllers.controller import Controller
from mcptasks_embedded.controllers.crd_controller import CrdController
from mcptasks_embedded.controllers.event_expiry import EventExpiry
from mcptasks_embedded.controllers.garbage_collector import GarbageCollector
from mcptasks_embedded.controllers.job_controller import JobController
from mcptasks_embedded.controllers.job_decision import Backoff
from mcptasks_embedded.controllers.namespace_controller import NamespaceController
from mcptasks_embedded.controllers.quota_controller import QuotaController
from mcptasks_embedded.controllers.scheduler import Scheduler
from mcptasks_embedded.controllers.ttl_controller import TtlController
from mcptasks_embedded.kinds.kind_registry import KindRegistry
from mcptasks_embedded.kinds.schema_validation import Rules
from mcptasks_embedded.node import watchdog
from mcptasks_embedded.node.kubelet import NODE_NAME, Kubelet, KubeletConfig
from mcptasks_embedded.node.node_services import OnOutput
from mcptasks_embedded.node.processes import MARKER
from mcptasks_embedded.objects.admission import NamespaceLifecycle, ServiceAccountExists
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.quota import Quota
from mcptasks_embedded.store.changes import StoreEntry
from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import CRDS, RBAC_GROUP

_log = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 0.2
_START_SECONDS = 30.0
_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class ClusterError(RuntimeError):
    """The cluster cannot be started; the text names the cause and the way out."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """How to set up an embedded cluster.

    `data_dir` receives kubeconfig, CA and the Pods' files (a temporary directory, removed at the end, when None).
    `rules` are the equivalents of the CRDs' validation rules, by their CEL text. `entrypoint` runs in containers
    without a `command`; without both, a container cannot start. `environment` and `working_directory`
    are those of containers that define none of their own. `backoff` is the Job controller's, `history_limit` the
    watch history's, in events.
    `on_output(pod, container, line)` is called in the cluster's event loop for every line that a container prints.
    """

    data_dir: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    crds: Sequence[Json] = ()
    rules: Rules = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: Path | None = None
    on_output: OnOutput | None = None
    backoff: Backoff = field(default_factory=Backoff)
    history_limit: int = 20_000


class EmbeddedCluster:
    """An embedded cluster: `async with EmbeddedCluster(config) as cluster: ...`."""

    def __init__(self, config: ClusterConfig | None = None) -> None:
        self.config = config or ClusterConfig()
        self.url = ""
        self.kubeconfig = Path()
        self.client_ca = Path()
        self.data_dir = Path()
        self.admin_token = ""
        self._id = uuid4().hex
        self._port = self.config.port
        self._runner: web.AppRunner | None = None
        self._listener: socket.socket | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._controllers: list[Controller] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- start and stop ---

    async def start(self) -> None:
        """Raises ClusterError when the port is taken or a CRD is refused."""
        self._make_directory()
        try:
            self._tls = await asyncio.to_thread(make_server_tls, self.data_dir, self.config.host)
            self._build()
            await self.start_api()
            self._write_files()
            self._start_watchdog()
            self._seed()
            for controller in self._controllers:
                controller.start()
            self.kubelet.start()
        except BaseException:
            await self.stop()
            raise

    def _make_directory(self) -> None:
        if self.config.data_dir is None:
            self.data_dir = Path(tempfile.mkdtemp(prefix="mcptasks-cluster-"))
        else:
            self.data_dir = self.config.data_dir.absolute()
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _build(self) -> None:
        config = self.config
        self.store = ObjectStore(config.history_limit)
        self.registry = KindRegistry()
        self.objects = Objects(self.store, self.registry, config.rules)
        self.objects.after_write[CRDS] = self._serve_crd
        self.tokens = Tokens(self.store)
        self.admin_token = self.tokens.admin
        entrypoint = list(config.entrypoint)
        kubelet = KubeletConfig(
            self.data_dir / "pods",
            self._id,
            entrypoint,
            config.environment,
            config.working_directory,
            config.on_output,
        )
        self.kubelet = Kubelet(self.objects, self.tokens, kubelet)
        self._api = ApiServer(self.objects, self.tokens, Authorizer(self.store), self.kubelet)
        self._collector = GarbageCollector(self.objects)
        namespaces = NamespaceController(self.objects)
        self.objects.admissions += [
            NamespaceLifecycle(self.store),
            ServiceAccountExists(self.store, namespaces.ensure_service_account),
            Quota(self.store),
        ]
        self._jobs = JobController(self.objects, config.backoff)
        scheduler = Scheduler(self.objects, NODE_NAME)
        others = [
            EventExpiry(self.objects),
            TtlController(self.objects),
            CrdController(self.objects),
            QuotaController(self.objects),
            scheduler,
        ]
        self._controllers = [self._collector, namespaces, self._jobs, *others]

    def _serve_crd(self, entry: StoreEntry) -> None:
        if "deletionTimestamp" not in entry.obj["metadata"]:
            self.registry.set_crd(entry.obj)
            self._collector.watch_all()

    def _seed(self) -> None:
        namespaces = self.objects.kind("v1", "Namespace")
        for name in _NAMESPACES:
            self.objects.create(namespaces, "", {"metadata": {"name": name}})
        self.kubelet.register()
        everything = [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ]
        role = self.objects.kind(f"{RBAC_GROUP}/v1", "ClusterRole")
        self.objects.create(role, "", {"metadata": {"name": "cluster-admin"}, "rules": everything})
        definitions = self.objects.kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        for crd in self.config.crds:
            self.objects.create(definitions, "", crd)

    def _write_files(self) -> None:
        self.client_ca = self.data_dir / "ca.crt"
        self.client_ca.write_bytes(self._tls.ca)
        self.kubeconfig = self.data_dir / "kubeconfig"
        self.kubeconfig.touch(mode=0o600)
        access = kubeconfig(self.url, self.client_ca.absolute(), self.admin_token)
        self.kubeconfig.write_text(json.dumps(access, indent=2) + "\n")

    def _start_watchdog(self) -> None:
        directory = "" if self.config.data_dir else str(self.data_dir)
        script = str(Path(watchdog.__file__))
        argv = [sys.executable, "-I", script, MARKER, f"{self._id}/", directory]
        self._watchdog = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )

    async def stop(self) -> None:
        """Kill all Pods' processes, close everything, remove the files."""
        if hasattr(self, "kubelet"):
            await self.kubelet.stop()
            for controller in self._controllers:
                await controller.stop()
            await self.stop_api()
        if self._watchdog is not None:
            self._watchdog.communicate()
            self._watchdog = None
        if self.config.data_dir is None:
            await asyncio.to_thread(shutil.rmtree, self.data_dir, ignore_errors=True)
        else:
            await asyncio.to_thread(self._remove_own_files)

    def _remove_own_files(self) -> None:
        shutil.rmtree(self.data_dir / "pods", ignore_errors=True)
        for path in (self.kubeconfig, self.client_ca):
            if path != Path():
                path.unlink(missing_ok=True)

    # --- the API, and faults that tests inject ---

    async def start_api(self) -> None:
        """Serve (again), on the same port as before. Raises ClusterError when it is taken."""
        sock = self._bind()
        runner = web.AppRunner(self._api.application(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        self._runner, self._listener = runner, sock
        await web.SockSite(runner, sock, ssl_context=self._tls.context).start()
        self._port = sock.getsockname()[1]
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        self.url = f"https://{host}:{self._port}"

    def _bind(self) -> socket.socket:
        host = self.config.host
        try:
            return socket.create_server((host, self._port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = f"port {self._port} on {host} is in use: stop what listens there or choose another port"
                raise ClusterError(message) from None
            raise ClusterError(f"cannot listen on {host}:{self._port}: {error.strerror or error}") from None

    async def stop_api(self) -> None:
        """Refuse connections and cut those that are open; objects, controllers and Pods stay."""
        self._api.drop_watches()
        if self._runner is not None:
            await self._accept_no_more()
            await self._runner.cleanup()
            self._runner = None

    async def _accept_no_more(self) -> None:
        """Leave further connections to the kernel, and let those begin that were accepted in this very moment.

        A server that is closed in between forgets them, and their sockets stay open (python/cpython#109564).
        """
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener = None
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def drop_watches(self) -> None:
        """End all watch requests."""
        self._api.drop_watches()

    def compact(self) -> None:
        """Forget the watch history: resuming from an older resourceVersion answers 410."""
        self.store.compact()

    def pause_jobs(self) -> None:
        """Stop the Job controller from acting until `resume_jobs`."""
        self._jobs.queue.pause()

    def resume_jobs(self) -> None:
        self._jobs.queue.resume()

    def processes(self) -> dict[str, int]:
        """The main processes of running containers: "<pod uid>/<container>" -> pid."""
        return {marker.partition("/")[2]: pid for marker, pid in self.kubelet.processes().items()}
