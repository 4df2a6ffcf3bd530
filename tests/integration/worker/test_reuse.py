"""What a task finds of those before it and beside it in a worker that runs several; docs/security.md has the table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worker.harness import Worker, a_worker, gone
from tests.support.fork_server import ForkServer
from tests.support.polling import eventually
from tests.support.work_gateway import WorkGateway

MODULE = """
import resource, socket, tempfile
from multiprocessing import resource_tracker, shared_memory

PLACE = Path(os.environ["PLACE"])

@mcp.tool()
def leave(name: str) -> dict[str, object]:
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    (Path(tempfile.gettempdir()) / "left").write_text("secret")
    (PLACE / "left").write_text("secret")
    Path("left-in-directory").write_text("secret")
    os.environ["LEFT"] = "secret"
    sys.modules["left"] = sys
    os.chdir("/")
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    signal.signal(signal.SIGUSR2, lambda *_: None)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    listener = socket.create_server(("127.0.0.1", 0))
    segment = shared_memory.SharedMemory(name=name, create=True, size=64)
    resource_tracker.unregister(segment._name, "shared_memory")
    segment.buf[:6] = b"secret"
    globals()["LEFT"] = listener, segment
    return dict(child=child.pid, temporary=tempfile.gettempdir(), port=listener.getsockname()[1])

@mcp.tool()
def find(child: int, temporary: str, port: int, name: str) -> dict[str, object]:
    found = []
    if Path(f"/proc/{child}").exists(): found.append("process")
    if Path(temporary, "left").exists(): found.append("temporary file")
    if (PLACE / "left").exists(): found.append("file elsewhere")
    if Path("left-in-directory").exists(): found.append("file in the working directory")
    if "LEFT" in os.environ: found.append("environment")
    if "left" in sys.modules: found.append("modules")
    if "LEFT" in globals(): found.append("global")
    if os.getcwd() == "/": found.append("directory")
    if os.umask(0o022) == 0o077: found.append("umask")
    if signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, []): found.append("signal mask")
    if signal.getsignal(signal.SIGUSR2) is not signal.SIG_DFL: found.append("signal handler")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] == 300: found.append("limits")
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        found.append("port")
    except OSError:
        pass
    try:
        segment = shared_memory.SharedMemory(name=name)
        found.append("shared memory")
        segment.unlink()
        segment.close()
    except FileNotFoundError:
        pass
    return dict(found=found)

@mcp.tool()
def wait(until: str) -> dict[str, bool]:
    progress(os.getpid())
    while not Path(until).exists():
        time.sleep(0.02)
    return dict(done=True)

@mcp.tool()
def look_at(pid: int) -> dict[str, object]:
    seen = []
    for what in ("environ", "mem", "fd/1", "maps"):
        try:
            path = Path("/proc", str(pid), what)
            path.readlink() if what == "fd/1" else path.open("rb").close()
            seen.append(what)
        except OSError:
            pass
    return dict(seen=seen)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that tasks share, as /tmp is in a worker's Pod."""
    directory = tmp_path / "place"
    directory.mkdir()
    return directory


@pytest.fixture
def crowd(forks: ForkServer, tmp_path: Path, place: Path) -> Iterator[Worker]:
    """A worker that runs two tasks at a time."""
    folder = tmp_path / "crowd"
    folder.mkdir()
    with a_worker(forks, folder) as worker:
        worker.environment |= {"PLACE": str(place), "MCPTASKS_WORKER_CONCURRENCY": "2", "WITHOUT_CAPABILITIES": "1"}
        worker.module(MODULE)
        worker.ready()
        yield worker


def result(gateway: WorkGateway, tool: str, uid: str, **arguments: Any) -> Any:
    gateway.run(tool, json.dumps(arguments), uid)
    return gateway.result(uid)


def test_of_what_a_task_leaves_only_files_and_shared_memory_are_there_for_the_next(
    worker: Worker, gateway: WorkGateway, place: Path
) -> None:
    worker.environment["PLACE"] = str(place)
    worker.module(MODULE)
    worker.ready()
    name = f"mcptasks-{worker.agent.pid}"
    left = result(gateway, "leave", "uid-1", name=name)
    found = result(gateway, "find", "uid-2", name=name, **left)["found"]
    assert found == ["file elsewhere", "file in the working directory", "shared memory"]
    assert gone(int(left["child"]), 0.2)
    assert not Path(left["temporary"]).exists()


class TestWhatATaskSeesOfOtherProcesses:
    """Of the same user, and without the right to trace others."""

    def test_of_its_worker_nothing(self, crowd: Worker) -> None:
        ours = [crowd.agent.pid, crowd.zygote().pid, *(each.pid for each in crowd.zygote().children())]
        for number, pid in enumerate(ours):
            assert result(crowd.gateway, "look_at", f"uid-{number}", pid=pid) == {"seen": []}

    def test_of_a_task_beside_it_nothing(self, crowd: Worker) -> None:
        until = crowd.folder / "until"
        crowd.gateway.run("wait", json.dumps({"until": str(until)}), "uid-wait")
        eventually("the other one runs", lambda: crowd.gateway.progress("uid-wait"))
        pid = int(crowd.gateway.progress("uid-wait")[0]["current"])
        assert result(crowd.gateway, "look_at", "uid-look", pid=pid) == {"seen": []}
        until.touch()
        assert crowd.gateway.result("uid-wait") == {"done": True}

    def test_a_task_alone_may_be_looked_at_by_what_it_starts(self, worker: Worker, gateway: WorkGateway) -> None:
        """As by a debugger: nobody else's task is there."""
        worker.environment["WITHOUT_CAPABILITIES"] = "1"
        worker.module("""
        @mcp.tool()
        def inspected() -> dict[str, int]:
            script = f"open('/proc/{os.getpid()}/environ', 'rb').close()"
            return dict(code=subprocess.run([sys.executable, "-c", script]).returncode)
        """)
        worker.ready()
        assert result(gateway, "inspected", "uid-1") == {"code": 0}


def test_a_tasks_files_are_removed_whatever_it_has_made_of_their_folders(worker: Worker, gateway: WorkGateway) -> None:
    worker.module("""
    import tempfile

    @mcp.tool()
    def keep() -> None:
        folder = Path(tempfile.mkdtemp()) / "modules"
        folder.mkdir()
        (folder / "file").touch()
        folder.chmod(0o500)
        folder.parent.chmod(0)
    """)
    worker.environment["WITHOUT_CAPABILITIES"] = "1"
    worker.ready()
    gateway.run("keep")
    gateway.outcome()
    eventually("the files are removed", lambda: not worker.temporary_files())
