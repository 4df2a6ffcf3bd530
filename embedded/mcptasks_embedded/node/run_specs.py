"""How the containers of a Pod are run: command, environment, directories, log, termination message."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from mcptasks_embedded.node.container_env import ConfigError, EnvSources, MountPaths, container_argv, container_env
from mcptasks_embedded.node.container_log import ContainerLog
from mcptasks_embedded.node.container_runtime import RunSpec
from mcptasks_embedded.node.node_services import NodeServices
from mcptasks_embedded.node.processes import MARKER, Command
from mcptasks_embedded.node.volumes import PodVolumes, object_data
from mcptasks_embedded.values.json_object import Json

_MESSAGE_LIMIT = 4096

_PASSED_ON = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "USER", "VIRTUAL_ENV")
"""What containers have of this process's environment."""


class RunSpecs:
    """Makes the run specs of one Pod's containers, whose files are below `directory`."""

    def __init__(self, services: NodeServices, pod: Json, directory: Path, volumes: PodVolumes) -> None:
        self._services = services
        self._pods = services.objects.kind("v1", "Pod")
        self._pod = pod
        self._directory = directory
        self._volumes = volumes

    def _data(self, kind: str, name: str) -> dict[str, str] | None:
        data = object_data(self._services.objects.store, self._pod["metadata"]["namespace"], kind, name)
        return None if data is None else {key: value.decode("utf-8", "replace") for key, value in data.items()}

    def make(self, container: Json, restarts: int) -> RunSpec:
        """How to run a container that was restarted the given number of times. Raises ConfigError, OSError."""
        name = container["name"]
        marker = f"{self._services.cluster_id}/{self._pod['metadata']['uid']}/{name}"
        mounts = MountPaths(
            {**self._volumes.paths(container), container["terminationMessagePath"]: self._message_path(name)}
        )
        own = container_env(container, self._env_sources())
        argv = [mounts.rewrite(part) for part in container_argv(container, own, self._services.entrypoint)]
        own = {key: mounts.rewrite(value) for key, value in own.items()}
        env = {**self._base_env(), **own, MARKER: marker}
        if not argv:
            raise ConfigError("no command specified")
        command = Command(argv, env, self._working_directory(container, mounts))
        log_path = self._directory / "logs" / name / f"{restarts}.log"
        return RunSpec(command, marker, log_path, self._line_hook(name))

    def _env_sources(self) -> EnvSources:
        metadata = self._pod["metadata"]
        current = self._services.objects.store.get(self._pods.ref(metadata["namespace"], metadata["name"]))
        return EnvSources(current.obj if current else self._pod, self._data, self._services.capacity)

    def _working_directory(self, container: Json, mounts: MountPaths) -> Path:
        """The container's own or else the node's, where it exists on this machine; otherwise one of the Pod's."""
        work = self._directory / "work"
        for path in (work, self._directory / "tmp"):
            path.mkdir(parents=True, exist_ok=True)
        if named := container.get("workingDir"):
            wanted = Path(mounts.rewrite(named))
            return wanted if wanted.is_dir() else work
        common = self._services.working_directory
        return common if common is not None and common.is_dir() else work

    def _line_hook(self, container: str) -> Callable[[str], None] | None:
        hook, name = self._services.on_output, self._pod["metadata"]["name"]
        return None if hook is None else lambda line: hook(name, container, line)

    def _base_env(self) -> dict[str, str]:
        here = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        env = {"HOME": str(self._directory), "PATH": os.defpath, **here, **self._services.environment}
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        env["HOSTNAME"] = self._pod["metadata"]["name"]
        env["TMPDIR"] = str(self._directory / "tmp")
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
