"""FastMCP 4.1 with its Redis workers and mcptasks with warm ones, interleaved in one run: one JSON object on standard
output.

    python benchmarks/warm.py                                          # embedded cluster
    python benchmarks/warm.py --sections one burst --samples 50
    python benchmarks/warm.py --kubeconfig ~/.kube/config --note 'stock controller-manager'

One client for both sides, raw requests of MCP 2026-07-28, measured from the call to the last result; how it polls is in
the output. Both sides stay up all the time, and a side is measured while the other one idles. FastMCP runs on this
machine in an environment of its own (.cache/clients/fastmcp-4). On a real cluster the chart is installed with the
end-to-end tests' image (MCPTASKS_E2E_IMAGE) in a namespace of its own and removed afterwards. `make bench-warm` has
kubectl on its PATH; a real cluster needs helm as well.

A task of a warm template that no worker ran which was ready before the call, or that was started twice, ends the run
with an error.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402

from benchmarks.measure import ADD, machine, printed, say, summary  # noqa: E402
from benchmarks.observer import Moment  # noqa: E402
from benchmarks.polling_client import POLLS, PollingClient, TimedCrowd, TimedTask, WrongResultError  # noqa: E402
from benchmarks.process_usage import cpu_of, known_inside_as, private_mib, processes, pss_mib  # noqa: E402
from benchmarks.redis_workers import EXECUTED, PACKAGES, RedisWorkers, redis_workers  # noqa: E402
from benchmarks.warm_installation import (  # noqa: E402
    WARM,
    WARM_ONCE,
    InstallationError,
    WarmInstallation,
    chart_installation,
    embedded_installation,
    pools,
    ready_workers,
)
from benchmarks.worker_hits import HitCount, MissedWorkerError, check_cold, check_executions  # noqa: E402
from benchmarks.write_counter import WriteCounter  # noqa: E402
from benchmarks.writes import AuditLog, per_task  # noqa: E402
from mcptasks.model.base import JsonObject  # noqa: E402
from mcptasks.model.task_template import WarmPool  # noqa: E402
from tests.chart.helm import helm_path  # noqa: E402
from tests.support.environments import InstallError  # noqa: E402
from tests.support.kubectl import kubectl_path  # noqa: E402
from tests.support.polling import eventually  # noqa: E402

SECTIONS = ("one", "burst", "naps", "cancel", "idle", "writes")
SUM = "3"
RESTED = "rested"
LONG_NAP = 600.0

SETTLE_SECONDS = 0.5
"""After each task, and after a pool is full: what is still written for a task is not part of the next one's time."""

COLD_SETTLE_SECONDS = 3.0
STARTED_SECONDS = 60.0
GONE_SECONDS = 30.0
QUIET_SECONDS = 1.0
QUIET_SHARE = 0.1
"""Components that together use so little of a core for so long have written all that there is to write."""

QUIET_TRIES = 120


@dataclass(frozen=True)
class Options:
    """How much to measure."""

    samples: int
    cold_samples: int
    rounds: int
    tasks: int
    naps: int
    idle_seconds: float
    audit_log: Path | None


@dataclass(frozen=True)
class WarmBenchmark:
    """All measurements on both sides."""

    ours: WarmInstallation
    client: PollingClient
    rival: RedisWorkers
    rival_client: PollingClient
    pools: Mapping[str, WarmPool]
    options: Options
    _used_once: set[str] = field(default_factory=set)

    # The sections

    def one(self) -> dict[str, object]:
        """One task at a time, from call to result: FastMCP, a worker that is used again, one that is new, a Pod."""
        found: dict[str, list[float]] = defaultdict(list)
        hits = HitCount()
        for number in range(self.options.samples):
            times = self._one_of_each(hits, with_cold=number < self.options.cold_samples)
            for name, took in times.items():
                found[name].append(took)
            say(f"one {number + 1} of {self.options.samples}: {spoken(times)}")
        p50 = {name: statistics.median(values) for name, values in found.items()}
        return {
            **{name: summary(values) for name, values in found.items()},
            "ratio_of_p50": {name: ratio(p50[name], p50["fastmcp"]) for name in p50 if name != "fastmcp"},
            "hit_rate": hits.rate,
        }

    def burst(self) -> dict[str, object]:
        """Trivial tasks at once."""
        return self._crowds("add", ADD, SUM, self.options.tasks)

    def naps(self) -> dict[str, object]:
        """Naps of a second at once."""
        return self._crowds("nap", {"seconds": 1}, RESTED, self.options.naps)

    def cancel(self) -> dict[str, object]:
        """From `tasks/cancel` to the end of the task's process; at FastMCP, which has none, to the end of the tool."""
        gone: dict[str, list[float]] = {"fastmcp": [], "warm": []}
        answered: dict[str, list[float]] = {"fastmcp": [], "warm": []}
        hits = HitCount()
        for number in range(self.options.samples):
            known = self._full_pool(WARM)
            for name, times in (("fastmcp", self._cancel_there()), ("warm", self._cancel_here(known, hits))):
                answered[name].append(times[0])
                gone[name].append(times[1])
            latest = spoken({name: values[-1] for name, values in gone.items()})
            say(f"cancel {number + 1} of {self.options.samples}: {latest}")
        return {
            name: {"answered": summary(answered[name]), "gone": summary(gone[name])} for name in ("fastmcp", "warm")
        } | {"hit_rate": hits.rate}

    def idle(self) -> dict[str, object]:
        """Memory of a worker without work, and CPU of each component."""
        self._full_pool(WARM)
        self._quiet()
        say(f"{self.options.idle_seconds:.0f} s without work")
        workers = self._worker_processes()
        before, start = self._cpu(workers), time.perf_counter()
        time.sleep(self.options.idle_seconds)
        after, passed = self._cpu(workers), time.perf_counter() - start
        used = {
            side: {name: round(100 * (after[side][name] - cpu) / passed, 2) for name, cpu in found.items()}
            for side, found in before.items()
        }
        count = self.pools[WARM].min_workers
        if workers:
            used["mcptasks"]["one_worker"] = round(used["mcptasks"]["workers"] / count, 2)
        rival = list(self.rival.processes.values())
        return {
            "cpu_percent_of_a_core": used,
            "worker_mib": memory(workers, count) if workers else NOT_HERE,
            "worker_processes": round(len(workers) / count, 1),
            "fastmcp_mib": memory(rival, 1),
        }

    def writes(self) -> dict[str, object]:
        """Writes per task to the API server, one task after the other and many at once."""
        with WriteCounter(self.ours.kubeconfig, self.ours.kubectl.namespace).watching() as counter:
            report: dict[str, object] = {
                "warm, one at a time": self._written(counter, "add", 1, self.options.samples),
                "warm, at once": self._written(counter, "add", self.options.tasks, 1),
                "warm_once, one at a time": self._written(counter, "add_once", 1, self.options.samples),
                "cold, one at a time": self._written(counter, "add_cold", 1, self.options.cold_samples),
            }
        return report

    # Their parts

    def _one_of_each(self, hits: HitCount, *, with_cold: bool) -> dict[str, float]:
        ready = {name: self._full_pool(name) for name in self.pools}
        times = {"fastmcp": self._settled(self.rival_client, "add").seconds}
        for name, tool, template in (("warm", "add", WARM), ("warm_once", "add_once", WARM_ONCE)):
            timed = self._settled(self.client, tool)
            times[name] = timed.seconds
            hits.check(self._tasks([timed.id]), ready[template])
        self._use_once(timed.id)
        if with_cold:
            timed = self._settled(self.client, "add_cold", COLD_SETTLE_SECONDS)
            times["cold"] = timed.seconds
            check_cold(self._tasks([timed.id])[0])
        return times

    def _settled(self, client: PollingClient, tool: str, pause: float = SETTLE_SECONDS) -> TimedTask:
        timed = client.timed(tool, ADD, SUM)
        time.sleep(pause)
        return timed

    def _use_once(self, task_id: str) -> None:
        """The worker of this task is not one of those that are ready, though its Pod may be for a moment."""
        (task,) = self._tasks([task_id])
        self._used_once.add(task["status"]["podUid"])

    def _crowds(self, tool: str, arguments: JsonObject, expected: str, count: int) -> dict[str, object]:
        found: dict[str, list[Crowd]] = {"fastmcp": [], "warm": []}
        hits = HitCount()
        for number in range(self.options.rounds):
            known = self._full_pool(WARM)
            executed = self.rival.executions()
            found["fastmcp"].append(self._crowd(self.rival_client, tool, arguments, expected, count))
            executed = self.rival.executions() - executed
            if executed != count:
                raise MissedWorkerError(f"FastMCP ran {count} tasks {executed} times")
            found["warm"].append(self._crowd(self.client, tool, arguments, expected, count))
            ids = found["warm"][-1].timed.ids
            hits.check(self._tasks(ids), known)
            check_executions(self._logs(known), ids, EXECUTED)
            latest = spoken({name: crowds[-1].timed.seconds for name, crowds in found.items()})
            say(f"{count} x {tool} at once, {number + 1} of {self.options.rounds}: {latest}")
        seconds = {name: statistics.median(crowd.timed.seconds for crowd in crowds) for name, crowds in found.items()}
        return {
            "tasks": count,
            **{
                name: crowd_report(crowds, "fastmcp" if name == "fastmcp" else "mcptasks")
                for name, crowds in found.items()
            },
            "ratio_of_seconds": ratio(seconds["warm"], seconds["fastmcp"]),
            "ratio_of_tasks_per_second": ratio(seconds["fastmcp"], seconds["warm"]),
            "hit_rate": hits.rate,
            "executions_per_task": 1,
        }

    def _crowd(self, client: PollingClient, tool: str, arguments: JsonObject, expected: str, count: int) -> Crowd:
        """The tasks, and the CPU until nothing is left to do for them; that of the client until the last result."""
        self._quiet()
        workers = self._worker_processes()
        before, own = self._cpu(workers), cpu_of([psutil.Process()])
        timed = client.crowd(tool, arguments, expected, count)
        own = cpu_of([psutil.Process()]) - own
        self._quiet()
        after = self._cpu(workers)
        used = {
            side: {name: (after[side][name] - cpu) / count for name, cpu in found.items()}
            for side, found in before.items()
        }
        return Crowd(timed, {side: {**found, "client": own / count} for side, found in used.items()})

    def _cancel_there(self) -> tuple[float, float]:
        mark = self.rival.folder / "nap"
        task_id = self.rival_client.call("nap", {"seconds": LONG_NAP, "mark": str(mark)})
        eventually("FastMCP's tool runs", mark.exists, STARTED_SECONDS, 0.01)
        time.sleep(SETTLE_SECONDS)
        start = time.perf_counter()
        self.rival_client.give_up(task_id)
        answered = time.perf_counter() - start
        eventually("FastMCP's tool has ended", lambda: not mark.exists(), GONE_SECONDS, 0.001)
        return answered, time.perf_counter() - start

    def _cancel_here(self, known: dict[str, JsonObject], hits: HitCount) -> tuple[float, float]:
        task_id = self.client.call("nap", {"seconds": LONG_NAP})
        inner = eventually("the tool tells its process", lambda: told_pid(self.client.look(task_id)), STARTED_SECONDS)
        hits.check(self._tasks([task_id]), known)
        pids = [pid for pod in known.values() for pid in self.ours.worker_pids(pod)]
        pid = known_inside_as(pids, inner)
        if pid is None:
            raise MissedWorkerError(f"{task_id}: its process {inner} is not on this machine; leave out `cancel`")
        time.sleep(SETTLE_SECONDS)
        with process_end(pid) as wait:
            start = time.perf_counter()
            self.client.give_up(task_id)
            answered = time.perf_counter() - start
            wait(GONE_SECONDS)
            return answered, time.perf_counter() - start

    def _written(self, counter: WriteCounter, tool: str, at_once: int, times: int) -> dict[str, object]:
        say(f"writes of {times} x {at_once} x {tool}")
        audit = AuditLog(self.options.audit_log) if self.options.audit_log else None
        self._quiet()
        position = audit.position() if audit else 0
        ids: list[str] = []
        for _ in range(times):
            if tool == "add_once":
                self._full_pool(WARM_ONCE)
            ids += self.client.crowd(tool, ADD, SUM, at_once).ids
            if tool == "add_once":
                self._use_once(ids[-1])
        if not ids:
            return {}
        counter.wait_all(ids, Moment.TERMINATED, GONE_SECONDS)
        self._quiet()
        found = counter.per_task(ids)
        report: dict[str, object] = {"tasks": len(ids), **found, "together": round(sum(found.values()), 2)}
        if audit is not None:
            time.sleep(SETTLE_SECONDS)
            report["requests_per_task"] = per_task(audit.requests(position, self.ours.kubectl.namespace), len(ids))
        return report

    # What they look at

    def _full_pool(self, name: str) -> dict[str, JsonObject]:
        """The template's Ready workers, once there are as many as are kept and all of them have had time to ask."""
        wanted = self.pools[name].min_workers

        def full() -> dict[str, JsonObject] | None:
            found = ready_workers(self.ours.kubectl, name)
            unused = {uid: pod for uid, pod in found.items() if uid not in self._used_once}
            return unused if len(unused) >= wanted else None

        found = full()
        if found is None:
            found = eventually(f"{wanted} ready workers of {name}", full, 180, 0.5)
            time.sleep(SETTLE_SECONDS)
        return found

    def _tasks(self, ids: list[str]) -> list[JsonObject]:
        """The objects of the tasks; they are named as their ids say."""
        if len(ids) == 1:
            return [self.ours.kubectl.get("mcptask", ids[0])]
        wanted = set(ids)
        return [item for item in self.ours.kubectl.list("mcptasks") if item["metadata"]["name"] in wanted]

    def _logs(self, workers: dict[str, JsonObject]) -> list[str]:
        """The lines of all workers' logs, in which tools print one each time that they run."""
        logs = (self.ours.kubectl.run("logs", pod["metadata"]["name"]) for pod in workers.values())
        return [line for log in logs for line in log.splitlines()]

    def _worker_processes(self) -> list[psutil.Process]:
        pods = ready_workers(self.ours.kubectl, WARM).values()
        return processes(pid for pod in pods for pid in self.ours.worker_pids(pod))

    def _cpu(self, workers: list[psutil.Process]) -> dict[str, dict[str, float]]:
        ours = self.ours.cpu()
        if workers:
            ours["workers"] = cpu_of(workers, with_ended_children=True)
        return {"fastmcp": self.rival.cpu(), "mcptasks": ours}

    def _quiet(self) -> None:
        """Wait until server and operator have next to nothing to do."""
        before, since = self.ours.cpu(), time.perf_counter()
        for _ in range(QUIET_TRIES):
            time.sleep(QUIET_SECONDS)
            after, now = self.ours.cpu(), time.perf_counter()
            used = sum(after[name] - before[name] for name in ("server", "operator"))
            # To look takes a moment for each Pod.
            if used < QUIET_SHARE * (now - since):
                return
            before, since = after, now
        raise MissedWorkerError(f"server and operator still work after {QUIET_TRIES} looks")


NOT_HERE = "the node is not this machine"


@dataclass(frozen=True)
class Crowd:
    """Tasks at once, and CPU seconds per task by side and component."""

    timed: TimedCrowd
    cpu: dict[str, dict[str, float]]


def crowd_report(crowds: list[Crowd], side: str) -> dict[str, object]:
    """Of one side: medians over the rounds."""
    seconds = [crowd.timed.seconds for crowd in crowds]
    count = len(crowds[0].timed.ids)
    names = crowds[0].cpu[side]
    return {
        "completed": [len(crowd.timed.ids) for crowd in crowds],
        "seconds": [round(value, 2) for value in seconds],
        "submit_seconds": [round(crowd.timed.submit_seconds, 2) for crowd in crowds],
        "tasks_per_second": round(count / statistics.median(seconds), 1),
        "cpu_ms_per_task": {
            name: round(1000 * statistics.median(crowd.cpu[side][name] for crowd in crowds), 1) for name in names
        },
    }


def memory(found: list[psutil.Process], count: int) -> dict[str, float]:
    """Of each of so many, in MiB."""
    return {"pss": round(pss_mib(found) / count, 1), "private": round(private_mib(found) / count, 1)}


def spoken(seconds: Mapping[str, float]) -> str:
    """How long what took, for people."""
    return ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in seconds.items())


def ratio(ours: float, theirs: float) -> float:
    """How much larger ours is."""
    return round(ours / theirs, 2)


def told_pid(task: JsonObject) -> int | None:
    """The process id in what the tool `nap` last said."""
    told = re.search(r"pid (\d+)", task.get("statusMessage") or "")
    return int(told[1]) if told else None


@contextmanager
def process_end(pid: int) -> Iterator[Callable[[float], None]]:
    """A function that waits, for so many seconds at most, until the process has ended."""
    descriptor = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)

    def wait(seconds: float) -> None:
        if not poll.poll(1000 * seconds):
            raise MissedWorkerError(f"process {pid} is still there after {seconds:.0f} s")

    try:
        yield wait
    finally:
        os.close(descriptor)


def run(arguments: argparse.Namespace, report: dict[str, object]) -> None:
    """Start both sides, measure what was asked for, end them. The report fills as it goes."""
    templates = pools(arguments.workers, arguments.concurrency, arguments.once_workers)
    report |= {
        "machine": machine(),
        "note": arguments.note,
        "cluster": "real" if arguments.kubeconfig else "embedded",
        "client": POLLS,
        "fastmcp_setup": {
            "packages": PACKAGES,
            "workers": 1 + arguments.fastmcp_workers,
            "concurrency": arguments.concurrency,
        },
        "mcptasks_setup": {name: pool.dump() for name, pool in templates.items()},
    }
    options = Options(
        arguments.samples,
        arguments.samples if arguments.cold_samples is None else arguments.cold_samples,
        arguments.rounds,
        arguments.tasks,
        arguments.naps,
        arguments.idle_seconds,
        arguments.audit_log,
    )
    say("starting FastMCP")
    with redis_workers(arguments.concurrency, arguments.fastmcp_workers) as rival:
        say("starting mcptasks")
        with installation(arguments.kubeconfig, templates) as ours:
            benchmark = WarmBenchmark(
                ours, PollingClient(ours.endpoint), rival, PollingClient(rival.endpoint), templates, options
            )
            warm_up(benchmark)
            for name in arguments.sections:
                report[name] = getattr(benchmark, name)()
            say("removing")


@contextmanager
def installation(kubeconfig: Path | None, templates: dict[str, WarmPool]) -> Iterator[WarmInstallation]:
    """Ours, on the cluster that was asked for."""
    if kubeconfig is None:
        with embedded_installation(templates) as embedded:
            yield embedded
    else:
        with chart_installation(kubeconfig, templates) as installed:
            yield installed


def warm_up(benchmark: WarmBenchmark) -> None:
    """One task of each kind that counts for nothing: connections are made, code is loaded."""
    say("warming up")
    benchmark.rival_client.timed("add", ADD, SUM)
    for tool in ("add", "add_cold"):
        benchmark.client.timed(tool, ADD, SUM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", type=Path, help="a real cluster; without it an embedded one is started")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--samples", type=int, default=30, help="tasks for each latency (default %(default)s)")
    parser.add_argument("--cold-samples", type=int, default=10, help="of them beside cold ones (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often many are called at once (default %(default)s)")
    parser.add_argument("--tasks", type=int, default=200, help="trivial tasks at once (default %(default)s)")
    parser.add_argument("--naps", type=int, default=50, help="naps of 1 s at once (default %(default)s)")
    parser.add_argument("--idle-seconds", type=float, default=60, help="time without work (default %(default)s)")
    parser.add_argument("--concurrency", type=int, default=10, help="tasks at a time in a worker, on both sides")
    parser.add_argument("--workers", type=int, default=1, help="our workers that are used again (default %(default)s)")
    parser.add_argument("--once-workers", type=int, default=2, help="our workers for one task that are kept ready")
    parser.add_argument("--fastmcp-workers", type=int, default=0, help="FastMCP's workers beside that in its server")
    parser.add_argument("--audit-log", type=Path, help="the API server's audit log, to count requests by component")
    parser.add_argument("--note", default="", help="whatever readers of the output should know")
    arguments = parser.parse_args()
    try:
        for find in (kubectl_path, helm_path) if arguments.kubeconfig else (kubectl_path,):
            find()
    except RuntimeError as error:
        parser.error(f"{error} (`make bench-warm` has a kubectl)")
    with printed() as report:
        try:
            run(arguments, report)
        except (InstallError, InstallationError, MissedWorkerError, WrongResultError) as error:
            sys.exit(f"warm.py: {error}")


if __name__ == "__main__":
    main()
