"""Modules as a worker loads them: those that it cannot load, and those that do what a copy of a process cannot bear."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import httpx2
import pytest

from mcptasks.gateway.contract import DrainOrder, RunnerExitCode
from tests.integration.worker.harness import Worker, gone
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.work_gateway import WorkGateway

ADD = """
@mcp.tool()
def add(a: int) -> dict[str, object]:
    return dict(sum=a + 1, pid=os.getpid(), directory=os.getcwd(), thread=threading.current_thread().name)
"""

NATIVE_THREAD = """
import ctypes
libc = ctypes.CDLL(None)
number = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(number), None, ctypes.cast(libc.pause, ctypes.c_void_p), None)
"""

CUDA = """
import ctypes
ctypes.CDLL({library!r})
"""


def add(gateway: WorkGateway, uid: str) -> dict[str, object]:
    gateway.run("add", '{"a": 1}', uid)
    result: dict[str, object] = gateway.result(uid)
    assert result["sum"] == 2
    return result


def ready(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


class TestModulesThatCannotBeLoaded:
    @pytest.mark.parametrize(
        ("source", "why"),
        [
            ("import no_such_module", "No module named 'no_such_module'"),
            ("raise ValueError('bad luck')", "ValueError: bad luck"),
            ("def broken(:", "SyntaxError"),
            ("sys.exit(3)", "SystemExit: 3"),
            ("del mcp", "has no TaskServer"),
            ("os._exit(3)", "the module ended its process while it was imported: it ended with exit code 3"),
            ("os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
            ("os.kill(0, 9) if False else signal.raise_signal(11)", "was ended by SIGSEGV"),
        ],
    )
    def test_the_worker_is_never_ready_and_ends_with_the_reason(
        self, worker: Worker, gateway: WorkGateway, source: str, why: str
    ) -> None:
        worker.module(source)
        worker.start()
        ended = worker.ended()
        assert ended.code == RunnerExitCode.MODULE_NOT_LOADED
        # Kubernetes shows the end of the log where a container has written no message of its own.
        assert why in ended.log.splitlines()[-1]
        assert not gateway.connections

    def test_a_worker_without_a_module_says_what_to_set(self, worker: Worker) -> None:
        worker.environment["MCPTASKS_MODULE"] = ""
        worker.start()
        ended = worker.ended()
        assert ended.code == RunnerExitCode.MODULE_NOT_LOADED
        assert "MCPTASKS_MODULE" in ended.log.splitlines()[-1]

    def test_a_module_that_takes_its_time_is_ready_when_it_is_loaded(
        self, worker: Worker, gateway: WorkGateway
    ) -> None:
        port, until = free_port(), worker.folder / "until"
        worker.environment["MCPTASKS_WORKER_PORT"] = str(port)
        worker.module(f"while not Path({str(until)!r}).exists():\n    time.sleep(0.02)\n{ADD}")
        worker.start()
        eventually("the worker answers", lambda: "503" in readiness(port))
        assert "the module is being loaded" in readiness(port)
        until.touch()
        eventually("the worker is ready", lambda: ready(port))
        add(gateway, "uid-1")


def readiness(port: int) -> str:
    """The whole answer to a probe; nothing where nobody listens."""
    import socket

    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: worker\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    except OSError:
        return ""


class TestModulesWhoseProcessCannotBeCopied:
    @pytest.fixture
    def library(self, tmp_path: Path) -> Path:
        """A shared library with the name of CUDA's."""
        import _ctypes

        return Path(shutil.copy(_ctypes.__file__, tmp_path / "libcuda.so.1"))

    def check(self, worker: Worker, gateway: WorkGateway, why: str) -> None:
        """Each task gets an interpreter of its own, which has loaded the module before."""
        worker.ready()
        assert why in worker.log
        assert "each task gets an interpreter of its own" in worker.log
        results = [add(gateway, uid) for uid in ("uid-1", "uid-2")]
        assert len({result["pid"] for result in results}) == 2
        eventually("the next interpreter is there", lambda: len(worker.processes()) == 2)
        gateway.order(DrainOrder())
        assert worker.ended().code == 0
        assert worker.temporary_files() == []

    def test_a_thread_of_python_s(self, worker: Worker, gateway: WorkGateway) -> None:
        worker.module(f"threading.Thread(target=time.sleep, args=(600,), daemon=True, name='watcher').start()\n{ADD}")
        self.check(worker, gateway, "started 1 thread ('watcher')")

    def test_a_thread_of_a_library_s_is_told_with_the_module_that_started_it(
        self, worker: Worker, gateway: WorkGateway
    ) -> None:
        (worker.folder / "beside.py").write_text(NATIVE_THREAD)
        worker.module(f"import beside\nimport colorsys\n{ADD}")
        self.check(worker, gateway, "importing beside started 1 thread (a native one")

    def test_cuda(self, worker: Worker, gateway: WorkGateway, library: Path) -> None:
        worker.module(CUDA.format(library=str(library)) + ADD)
        self.check(worker, gateway, "CUDA is loaded")

    def test_an_interpreter_that_could_not_load_it_before_a_task_was_there_fails_no_task(
        self, worker: Worker, gateway: WorkGateway
    ) -> None:
        broken, failed = worker.folder / "broken", worker.folder / "failed"
        worker.module(
            f"threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
            f"if Path({str(broken)!r}).exists():\n"
            f"    Path({str(failed)!r}).touch()\n"
            f"    raise MemoryError\n{ADD}"
        )
        worker.ready()
        broken.touch()
        add(gateway, "uid-1")
        eventually("the next interpreter has failed", failed.exists)
        broken.unlink()
        add(gateway, "uid-2")

    def test_a_cancel_and_what_a_task_leaves_are_seen_to_as_well(self, worker: Worker, gateway: WorkGateway) -> None:
        worker.module(
            """
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()

@mcp.tool()
def clean_up() -> None:
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        progress(child.pid)
        time.sleep(60)
    finally:
        print("cleaned up")
"""
        )
        worker.ready()
        gateway.run("clean_up")
        gateway.wait_for(lambda: bool(gateway.progress()))
        gateway.end()
        outcome = gateway.outcome()
        assert (outcome["exitCode"], outcome["ordered"]) == (143, True)
        assert "cleaned up" in outcome["logTail"]
        assert gone(int(gateway.progress()[0]["current"]), 0.2)


class TestModulesThatChangeTheirProcess:
    """Done while the module is imported, it holds for its tasks and harms nothing else."""

    @pytest.mark.parametrize(
        "source",
        [
            "os.closerange(3, 1000)",
            "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
            "signal.alarm(1)",
            "signal.setitimer(signal.ITIMER_VIRTUAL, 0.02, 0.02); signal.setitimer(signal.ITIMER_PROF, 5, 0.02)",
            "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
            "os.umask(0o777)",
            "os.setpgrp()",
            "import atexit; atexit.register(time.sleep, 600)",
            "threading.Thread = None",
            "for each in range(2): os.fork()",
            "subprocess.Popen(['sleep', '300'], start_new_session=True)",
            "sys.stdout = None",
            "os.environ.clear()",
            "thread = threading.Thread(target=int); thread.start(); thread.join()",
        ],
    )
    def test_tasks_run_one_after_another(self, worker: Worker, gateway: WorkGateway, source: str) -> None:
        worker.module(f"{source}\n{ADD}")
        worker.ready()
        pids = {add(gateway, f"uid-{number}")["pid"] for number in (1, 2, 3)}
        assert len(pids) == 3
        assert "interpreter of its own" not in worker.log

    def test_its_directory_is_its_tasks(self, worker: Worker, gateway: WorkGateway) -> None:
        worker.module(f"os.mkdir('there')\nos.chdir('there')\n{ADD}")
        worker.ready()
        assert add(gateway, "uid-1")["directory"] == str(worker.folder / "there")

    def test_its_signal_handlers_are_its_tasks(self, worker: Worker, gateway: WorkGateway) -> None:
        worker.module("""
        signal.signal(signal.SIGUSR1, lambda *_: print("heard", flush=True))
        @mcp.tool()
        def send() -> None:
            signal.raise_signal(signal.SIGUSR1)
        """)
        worker.ready()
        gateway.run("send")
        assert "heard" in gateway.outcome()["logTail"]

    def test_its_lifespan_is_entered_for_each_task_and_never_before(self, worker: Worker, gateway: WorkGateway) -> None:
        worker.module("""
        from contextlib import asynccontextmanager
        @asynccontextmanager
        async def lifespan(_):
            print("entered in", os.getpid())
            yield {}
            print("left in", os.getpid())
        mcp = TaskServer("tools", lifespan=lifespan)
        @mcp.tool()
        def where() -> dict[str, int]:
            return dict(pid=os.getpid())
        """)
        worker.ready()
        assert "entered" not in worker.log
        gateway.run("where")
        pid = gateway.result()["pid"]
        assert f"entered in {pid}\nleft in {pid}\n" in gateway.outcome()["logTail"]


def test_interpreters_are_found_by_the_same_python(worker: Worker, gateway: WorkGateway) -> None:
    worker.module("""
    @mcp.tool()
    def which() -> dict[str, str]:
        return dict(executable=sys.executable)
    """)
    worker.ready()
    gateway.run("which")
    assert gateway.result() == {"executable": sys.executable}
