"""How a container of a Pod is started here: command, environment, directories, log, termination message."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from mcptasks_embedded.access.tokens import Tokens
from mcptasks_embedded.node.container_env import ConfigError, EnvSources, MountPaths, container_argv, container_env
from mcptasks_embedded.node.container_log import ContainerLog
from mcptasks_embedded.node.container_runtime import RunSpec, Runtime
from mcptasks_embedded.node.processes import MARKER, Command
from mcptasks_embedded.node.volumes import PodVolumes, object_data
from mcptasks_embedded.objects.event_recorder import EventRecorder
from mcptasks_embedded.objects.operations import Objects

Json = dict[str, Any]

_MESSAGE_LIMIT = 4096

OnOutput = Callable[[str, str, str], None]


class Node(Protocol):
    """What the worker needs of its kubelet."""

    objects: Objects
    tokens: Tokens
    runtime: Runtime
    events: EventRecorder
    entrypoint: list[str]
    cluster_id: str
    capacity: dict[str, str]
    on_output: OnOutput | None


class ContainerSetup:
    """The containers of one Pod, whose files are below `directory`."""

    def __init__(self, node: Node, pod: Json, directory: Path, volumes: PodVolumes) -> None:
        self._node = node
        self._pods = node.objects.kind("v1", "Pod")
        self._pod = pod
        self._directory = directory
        self._volumes = volumes

    def _data(self, kind: str, name: str) -> dict[str, str] | None:
        data = object_data(self._node.objects.store, self._pod["metadata"]["namespace"], kind, name)
        return None if data is None else {key: value.decode("utf-8", "replace") for key, value in data.items()}

    def run_spec(self, container: Json, restarts: int) -> RunSpec:
        """Raises ConfigError, OSError."""
        name = container["name"]
        marker = f"{self._node.cluster_id}/{self._pod['metadata']['uid']}/{name}"
        current = self._node.objects.store.get(
            self._pods.ref(self._pod["metadata"]["namespace"], self._pod["metadata"]["name"])
        )
        sources = EnvSources(current.obj if current else self._pod, self._data, self._node.capacity)
        mounts = MountPaths(
            {**self._volumes.paths(container), container["terminationMessagePath"]: self._message_path(name)}
        )
        own = container_env(container, sources)
        argv = [mounts.rewrite(part) for part in container_argv(container, own, self._node.entrypoint)]
        own = {key: mounts.rewrite(value) for key, value in own.items()}
        env = {**self._base_env(), **own, MARKER: marker}
        if not argv:
            raise ConfigError("no command specified")
        work = self._directory / "work"
        for path in (work, self._directory / "tmp"):
            path.mkdir(parents=True, exist_ok=True)
        wanted = Path(mounts.rewrite(container.get("workingDir") or ""))
        cwd = wanted if container.get("workingDir") and wanted.is_dir() else work
        on_line = self._line_hook(name)
        log_path = self._directory / "logs" / name / f"{restarts}.log"
        return RunSpec(Command(argv, env, cwd), marker, log_path, on_line)

    def _line_hook(self, container: str) -> Callable[[str], None] | None:
        hook, name = self._node.on_output, self._pod["metadata"]["name"]
        return None if hook is None else lambda line: hook(name, container, line)

    def _base_env(self) -> dict[str, str]:
        path = os.environ.get("PATH", os.defpath)
        env = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{path}",
            "HOME": os.environ.get("HOME", str(self._directory)),
            "HOSTNAME": self._pod["metadata"]["name"],
            "TMPDIR": str(self._directory / "tmp"),
        }
        for name in ("LANG", "LC_ALL", "VIRTUAL_ENV"):
            if name in os.environ:
                env[name] = os.environ[name]
        return env

    def _message_path(self, container: str) -> Path:
        path = self._directory / "messages" / container
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    def termination_message(self, container: Json, code: int, log: ContainerLog) -> str:
        """What the container left in its message file, or the end of its log where the policy says so."""
        path = self._message_path(container["name"])
        with path.open("rb") as file:
            text = file.read(_MESSAGE_LIMIT).decode("utf-8", "replace")
        path.unlink()
        if not text and code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            return log.last_output()
        return text
