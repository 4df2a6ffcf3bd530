"""The machine under the cluster, where the tests run on it: containers and the cluster's own components."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mcptasks.model.base import JsonObject

KEEP_UP_TRIES = 60
STEADY_LOOKS = 4
LOOK_SECONDS = 0.8
TOOL_VARIABLE = "MCPTASKS_CLUSTER_TOOL"


def _tool_path() -> Path | None:
    named = os.environ.get(TOOL_VARIABLE)
    return Path(named) if named else None


@dataclass(frozen=True)
class ClusterTool:
    """The program that runs the cluster's components on this machine; $MCPTASKS_CLUSTER_TOOL names it.

    It knows `kill NAME` and `start NAME`. The kubelet and containerd of a further node have its name as a suffix:
    `kubelet-node1`.
    """

    path: Path | None = field(default_factory=_tool_path)

    @property
    def there(self) -> bool:
        return self.path is not None

    def knows(self, component: str) -> bool:
        """Whether there is such a component; it is started if it is not running."""
        return self.there and self._call("start", component).returncode == 0

    def kill(self, component: str) -> None:
        """SIGKILL to the component's process."""
        self._run("kill", component)

    def keep_up(self, *components: str) -> None:
        """Start the components, again and again until all stay up, as a machine's init system does.

        A kubelet ends by itself as long as containerd does not answer.
        """
        before: list[str] = []
        same = 0
        for _ in range(KEEP_UP_TRIES):
            now = [self._run("start", component) for component in components]
            same = same + 1 if now == before else 0
            if same >= STEADY_LOOKS:
                return
            before = now
            time.sleep(LOOK_SECONDS)
        raise AssertionError(f"{', '.join(components)} do not stay up: {before}")

    def _run(self, verb: str, component: str) -> str:
        """What the program prints: the component's process id."""
        done = self._call(verb, component)
        assert done.returncode == 0, f"{verb} {component}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _call(self, verb: str, component: str) -> subprocess.CompletedProcess[str]:
        assert self.path is not None, f"set {TOOL_VARIABLE}"
        return subprocess.run([self.path, verb, component], capture_output=True, text=True, timeout=60, check=False)


def kill_all(pids: list[int]) -> None:
    """SIGKILL to each process that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def program(pid: int) -> str:
    """Name of the program that the process runs; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def container_pids(pod: JsonObject) -> list[int]:
    """All processes of the Pod's containers, as far as they run on this machine."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return [pid for status in statuses for pid in _pids(str(status.get("containerID") or "").rpartition("/")[2])]


def _pids(container: str) -> list[int]:
    """Processes whose control group is the container's."""
    if not container:
        return []
    found = []
    for cgroup in Path("/proc").glob("[0-9]*/cgroup"):
        with suppress(OSError):
            if container in cgroup.read_text():
                found.append(int(cgroup.parent.name))
    return found
