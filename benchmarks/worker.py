"""What a worker costs and how fast it is, without a cluster: figures in JSON.

    python benchmarks/worker.py --samples 100

One worker as a process and a gateway on the loopback interface that speaks the contract. `run` is from the order to run
until the outcome is there, with the process made before, as it is while a claim is written; `unprepared` is the same
without that, so that the difference is what making the process costs; `cancel` is from the order to end a task until
its outcome, which comes when its processes are gone. `cpu_ms` is CPU time of all of the worker's processes for a task.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measure import machine, printed, say, summary  # noqa: E402
from benchmarks.process_usage import cpu_of, pss_mib  # noqa: E402
from mcptasks.gateway.contract import EndOrder, PrepareOrder, RunOrder  # noqa: E402
from tests.support.fake_gateway import an_assignment  # noqa: E402
from tests.support.work_gateway import WorkGateway  # noqa: E402

MODULE = """
import time
from mcptasks import TaskServer, progress

mcp = TaskServer("tools")

@mcp.tool()
def add(a: int, b: int) -> int:
    return a + b

@mcp.tool()
async def add_later(a: int, b: int) -> int:
    return a + b

@mcp.tool()
def wait() -> None:
    progress(1)
    time.sleep(600)
"""
PREPARED_SECONDS = 0.1
"""Between the order to make a process and the order to run: longer than that takes."""


@dataclass(frozen=True)
class MeasuredWorker:
    """A worker, and the gateway that it asks."""

    gateway: WorkGateway
    process: psutil.Process

    def run(self, uid: str, tool: str, *, prepared: bool) -> float:
        """Seconds from the order to run until the outcome."""
        task = uid.replace("uid", "task")
        if prepared:
            self.gateway.order(PrepareOrder(task_id=task, uid=uid))
            time.sleep(PREPARED_SECONDS)
        assignment = an_assignment(tool, '{"a": 1, "b": 2}', task_id=task, uid=uid)
        start = time.monotonic()
        self.gateway.order(RunOrder(uid=uid, assignment=assignment))
        self.gateway.outcome(uid)
        return self.gateway.received[-1].at - start

    def cancel(self, uid: str) -> float:
        """Seconds from the order to end a task that runs until its outcome."""
        self.gateway.run("wait", uid=uid)
        self.gateway.wait_for(lambda: bool(self.gateway.progress(uid)))
        start = time.monotonic()
        self.gateway.order(EndOrder(uid=uid, attempt=1))
        self.gateway.outcome(uid)
        return self.gateway.received[-1].at - start

    def processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """CPU time so far, with that of children that have been waited for."""
        return cpu_of(self.processes(), with_ended_children=True)

    def memory(self) -> dict[str, float]:
        """MiB of all processes: PSS, where what several of them share counts once, and how many there are."""
        found = self.processes()
        return {"processes": len(found), "pss_mib": round(pss_mib(found), 1)}


@contextmanager
def measured_worker(folder: Path, module: Path, variables: dict[str, str]) -> Iterator[MeasuredWorker]:
    """A worker that has loaded the module."""
    (folder / "token").write_text("token")
    with (
        WorkGateway(alive_seconds=5.0, keeps_connections=True).running() as gateway,
        (folder / "log").open("wb") as log,
    ):
        settings = {
            "MCPTASKS_GATEWAY_URL": gateway.url,
            "MCPTASKS_TOKEN_FILE": str(folder / "token"),
            "MCPTASKS_MODULE": str(module),
        }
        environment = {**os.environ, **settings, **variables}
        process = subprocess.Popen(
            [sys.executable, "-m", "mcptasks", "worker"], env=environment, stdout=log, stderr=log
        )
        try:
            assert gateway.connection
            yield MeasuredWorker(gateway, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait()


def samples_of(worker: MeasuredWorker, name: str, tool: str, count: int, *, prepared: bool) -> dict[str, object]:
    worker.run(f"uid-{name}-first", tool, prepared=prepared)
    before = worker.cpu_seconds()
    found = [worker.run(f"uid-{name}-{number}", tool, prepared=prepared) for number in range(count)]
    cpu = (worker.cpu_seconds() - before) / count
    return {**summary(found), "cpu_ms": round(1000 * cpu, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=50, help="tasks of each kind")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds in which an idle worker's CPU is counted")
    parser.add_argument("--module", type=Path, help="module with the tools add, add_later and wait")
    arguments = parser.parse_args()
    with printed() as report, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        module = arguments.module or folder / "bench_tools.py"
        if arguments.module is None:
            module.write_text(MODULE)
        report |= {"machine": machine(), "load": os.getloadavg()}
        start = time.monotonic()
        with measured_worker(folder, module, {}) as worker:
            report["ready_s"] = round(time.monotonic() - start, 2)
            for kind, tool, prepared in (
                ("run", "add", True),
                ("run_async", "add_later", True),
                ("unprepared", "add", False),
            ):
                say(kind)
                report[kind] = samples_of(worker, kind, tool, arguments.samples, prepared=prepared)
            say("cancel")
            report["cancel"] = summary(worker.cancel(f"uid-cancel-{number}") for number in range(10))
            say("idle")
            time.sleep(1)
            report["idle"] = worker.memory() | idle_cpu(worker, arguments.idle)
        report["log"] = (folder / "log").read_text().splitlines()[:1]


def idle_cpu(worker: MeasuredWorker, seconds: float) -> dict[str, float]:
    """CPU of a worker that has nothing to do, in per cent of a core."""
    before = worker.cpu_seconds()
    time.sleep(seconds)
    return {"cpu_percent": round(100 * (worker.cpu_seconds() - before) / seconds, 2)}


if __name__ == "__main__":
    main()
