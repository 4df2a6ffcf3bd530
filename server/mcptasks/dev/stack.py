"""Everything on this machine: an embedded cluster in this process, with the operator and the server beside it.

    with LocalStack(StackConfig("server.py")) as stack:
        ... stack.endpoint, stack.kubeconfig ...

`mcptasks demo`, `mcptasks dev` and the integration tests all run on this. Leaving it leaves no process and no file.
"""

from __future__ import annotations

import errno
import secrets
import shlex
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from mcptasks.dev.default_templates import job_template, named, warm_template
from mcptasks.dev.supervisor import READY_SECONDS, ProcessSpec, Supervisor, free_ports
from mcptasks.dev.task_output import TaskOutput, by_task
from mcptasks.model.base import API_VERSION, JsonObject
from mcptasks.model.cel_rules import CEL_RULES
from mcptasks.model.crds import custom_resource_definitions
from mcptasks.settings import PREFIX
from mcptasks_embedded.cluster import ClusterConfig
from mcptasks_embedded.cluster_thread import EmbeddedClusterThread
from mcptasks_embedded.values.errors import ApiError

LOOPBACK = "127.0.0.1"
PATH = "/mcp"
CHECK = "check"
DASHBOARD = "dashboard"

COMMAND = "mcptasks"
"""The installed command, as a module: what a Deployment's container would run."""


class StackError(Exception):
    """The stack cannot start as asked; the message says what to change."""


@dataclass(frozen=True)
class StackConfig:
    """What to run.

    Args:
        module: the user's server, as `mcptasks serve` takes it.
        host: address of the MCP endpoint.
        port: port of the MCP endpoint (of the first server); 0 picks a free one.
        namespace: namespace of the tasks.
        servers: how many servers; they are named `server`, `server-2`, ...
        operators: how many operators; they are named `operator`, `operator-2`, ...
        settings: further settings of all components, by environment variable.
        tool_environment: all variables that tools see besides their Pod's and mcptasks' own, inline and as tasks. None:
            inline those of this process, as tasks next to none, as in a cluster.
        tool_directory: the directory that tasks run in, unless their template names one; None is one of their own.
        on_output: gets what tasks print.
        warm: whether workers run the tasks of the default template.
        dashboard_port: port of the dashboard, which is on a loopback address; 0 picks a free one, None runs none.
    """

    module: str
    host: str = LOOPBACK
    port: int = 0
    namespace: str = "default"
    servers: int = 1
    operators: int = 1
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    tool_environment: Mapping[str, str] | None = field(default=None, repr=False)
    tool_directory: Path | None = None
    on_output: TaskOutput | None = None
    warm: bool = False
    dashboard_port: int | None = None


@dataclass(frozen=True)
class ServerPorts:
    """The ports of one server."""

    endpoint: int
    gateway: int


class LocalStack:
    """A cluster with operators and servers. Use as a context manager, or `open` and `close`."""

    def __init__(self, config: StackConfig) -> None:
        self.config = config
        self.cluster = EmbeddedClusterThread(
            ClusterConfig(
                crds=custom_resource_definitions(),
                rules=CEL_RULES,
                entrypoint=(sys.executable, "-P", "-m", COMMAND),
                environment=config.tool_environment or {},
                working_directory=config.tool_directory,
                on_output=by_task(config.on_output),
            )
        )
        self._exit = ExitStack()
        self._supervisor: Supervisor | None = None
        self._ports: dict[str, ServerPorts] = {}
        self._dashboard_port: int | None = None
        self._request_state_key = secrets.token_hex()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, *, start: bool = True) -> None:
        """Start the cluster and, unless `start` is false, all components; returns when they are ready.

        Raises:
            StackError: the port is taken.
            ClusterError: the cluster cannot start.
            ProcessError: a component ended or did not become ready; the message has its last log lines.
        """
        with ExitStack() as stack:
            self._ports = self._choose_ports()
            self._dashboard_port = self._choose_dashboard_port()
            stack.enter_context(self.cluster)
            logs = self.directory / "components"
            logs.mkdir(exist_ok=True)
            self._supervisor = stack.enter_context(Supervisor(logs))
            for spec in self._process_specs():
                self._supervisor.add(spec)
            self._create_prerequisites()
            if start:
                self.start_all()
            self._exit = stack.pop_all()

    def close(self) -> None:
        """End all processes and remove all files."""
        self._exit.close()

    @property
    def names(self) -> list[str]:
        """Names of all components."""
        return [*self.operator_names, *self.server_names, *((DASHBOARD,) if self.dashboard_url else ())]

    @property
    def server_names(self) -> list[str]:
        return _names("server", self.config.servers)

    @property
    def operator_names(self) -> list[str]:
        return _names("operator", self.config.operators)

    @property
    def endpoint(self) -> str:
        """URL of the (first) server's MCP endpoint."""
        return self.endpoint_of("server")

    def endpoint_of(self, name: str) -> str:
        """URL of a server's MCP endpoint."""
        return f"{self._base_url(self._ports[name].endpoint)}{PATH}"

    def _base_url(self, port: int) -> str:
        """URL at which the endpoint's address is reached from this machine."""
        host = LOOPBACK if self.config.host in ("0.0.0.0", "::") else self.config.host
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def dashboard_url(self) -> str | None:
        """URL of the dashboard; None where there is none."""
        return None if self._dashboard_port is None else f"http://{LOOPBACK}:{self._dashboard_port}/"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the embedded cluster's administrator."""
        return self.cluster.kubeconfig

    @property
    def namespace(self) -> str:
        return self.config.namespace

    @property
    def directory(self) -> Path:
        """Where the stack keeps its files while it runs."""
        return self.cluster.cluster.data_dir

    @property
    def supervisor(self) -> Supervisor:
        """The processes of the components. Raises StackError where the stack is not open."""
        if self._supervisor is None:
            raise StackError("the stack is not open; use it as a context manager")
        return self._supervisor

    def start_all(self) -> None:
        """Start all components at once and wait until they are ready. Raises ProcessError."""
        for name in self.names:
            self.supervisor.start(name, ready_seconds=None)
        for name in self.names:
            self.supervisor.wait_ready(name)

    def start(self, name: str, *, ready_seconds: float | None = READY_SECONDS) -> None:
        """Start a component, by default wait until it is ready. Raises ProcessError."""
        self.supervisor.start(name, ready_seconds=ready_seconds)

    def stop(self, name: str) -> None:
        """End a component as Kubernetes does: SIGTERM, then SIGKILL."""
        self.supervisor.stop(name)

    def kill(self, name: str) -> None:
        """End a component with SIGKILL."""
        self.supervisor.kill(name)

    def restart(self, name: str) -> None:
        """Stop a component, start it and wait until it is ready. Raises ProcessError."""
        self.supervisor.restart(name)

    def check_module(self) -> int:
        """Load the user's server in a process of its own; gives its exit code, its output is the log of `check`.

        Raises:
            ProcessError: it takes too long.
        """
        spec = self.supervisor.spec("server")
        return self.supervisor.run(replace(spec, name=CHECK, arguments=("serve", "--check")))

    def add_named_templates(self) -> list[str]:
        """Create the templates that the server's components name and that are not there, as copies of the default one.

        Gives their names.
        """
        path = self._templates_file
        named_ones = path.read_text().split() if path.is_file() else []
        return [name for name in named_ones if self._add_template(name)]

    def _add_template(self, name: str) -> bool:
        try:
            self._create(API_VERSION, "McpTaskTemplate", self.namespace, named(self._default_template(), name))
        except ApiError as error:
            if error.reason in ("AlreadyExists", "Invalid"):
                return False  # The developer has made one, or the name is none that a template can have.
            raise
        return True

    @property
    def _templates_file(self) -> Path:
        """Where the first server puts down which templates its components name."""
        return self.directory / "components" / "templates"

    def pid(self, name: str) -> int:
        """Process id of a running component."""
        return self.supervisor.pid(name)

    def log(self, name: str) -> str:
        """All that a component has logged so far."""
        return self.supervisor.log_file(name).read_text(errors="replace")

    def task_pids(self) -> dict[str, int]:
        """Process ids of the containers that run, by `<pod uid>/<container>`."""
        return self.cluster.call(self.cluster.cluster.processes)

    def _choose_ports(self) -> dict[str, ServerPorts]:
        if self.config.port:
            _check_free(self.config.host, self.config.port)
        free = free_ports(2 * self.config.servers)
        ports = {name: ServerPorts(free[2 * i], free[2 * i + 1]) for i, name in enumerate(self.server_names)}
        if self.config.port:
            ports["server"] = ServerPorts(self.config.port, ports["server"].gateway)
        return ports

    def _choose_dashboard_port(self) -> int | None:
        port = self.config.dashboard_port
        if port:
            _check_free(LOOPBACK, port, "--dashboard-port")
        return free_ports(1)[0] if port == 0 else port

    def _process_specs(self) -> list[ProcessSpec]:
        liveness = dict(zip(self.operator_names, free_ports(self.config.operators), strict=True))
        return [
            *(self._operator(name, port) for name, port in liveness.items()),
            *(self._server(name, ports) for name, ports in self._ports.items()),
            *(self._dashboard(url) for url in [self.dashboard_url] if url is not None),
        ]

    def _operator(self, name: str, liveness_port: int) -> ProcessSpec:
        environment = self._environment(
            liveness_port=liveness_port,
            runner_command=shlex.join([sys.executable, "-P", "-m", COMMAND, "run"]),
            worker_command=shlex.join([sys.executable, "-P", "-m", COMMAND, "worker"]),
        )
        ready = f"http://{LOOPBACK}:{liveness_port}/readyz"
        return ProcessSpec(name, COMMAND, ("operator",), environment, ready, restarted=True)

    def _server(self, name: str, ports: ServerPorts) -> ProcessSpec:
        environment = self._environment(
            module=self.config.module,
            host=self.config.host,
            port=ports.endpoint,
            path=PATH,
            gateway_port=ports.gateway,
            single_user="true",
            request_state_keys=self._request_state_key,
        )
        ready = f"{self._base_url(ports.endpoint)}/readyz"
        arguments = ("serve", "--templates-file", str(self._templates_file)) if name == "server" else ("serve",)
        return ProcessSpec(name, COMMAND, arguments, environment, ready, base=self.config.tool_environment)

    def _dashboard(self, url: str) -> ProcessSpec:
        environment = self._environment(
            dashboard_host=LOOPBACK,
            dashboard_port=self._dashboard_port,
            dashboard_auth="none",
            dashboard_server_url=self.endpoint,
        )
        return ProcessSpec(DASHBOARD, COMMAND, ("dashboard",), environment, f"{url}readyz", restarted=True)

    def _environment(self, **settings: object) -> dict[str, str]:
        own = {
            "kubeconfig": self.kubeconfig,
            "context": "mcptasks-local",
            "namespace": self.namespace,
            "gateway_host": LOOPBACK,
            "gateway_url": f"http://{LOOPBACK}:{self._ports['server'].gateway}",
            "liveness_host": LOOPBACK,
            **settings,
        }
        return {**self.config.settings, **{f"{PREFIX}{name.upper()}": str(value) for name, value in own.items()}}

    def _create_prerequisites(self) -> None:
        """Create what an installation has besides the CRDs: the namespace and the default template."""
        if self.namespace != "default":
            self._create("v1", "Namespace", "", {"metadata": {"name": self.namespace}})
        self._create(API_VERSION, "McpTaskTemplate", self.namespace, self._default_template())

    def _default_template(self) -> JsonObject:
        return warm_template(self.config.module) if self.config.warm else job_template()

    def _create(self, api_version: str, kind: str, namespace: str, body: JsonObject) -> None:
        objects = self.cluster.cluster.objects
        self.cluster.call(lambda: objects.create(objects.kind(api_version, kind), namespace, body))


def _names(prefix: str, count: int) -> list[str]:
    return [prefix if number == 1 else f"{prefix}-{number}" for number in range(1, count + 1)]


def _check_free(host: str, port: int, option: str = "--port") -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
            raise StackError(
                f"port {port} on {host} {why}; choose another one with {option} (0 is any free one)"
            ) from None
