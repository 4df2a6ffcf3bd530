"""Latency, throughput and cost on a real cluster: one JSON object on standard output.

    python benchmarks/cluster.py --kubeconfig ~/.kube/config --tasks 200 --samples 20 --finished 10000

It installs the product in a namespace of its own with the end-to-end tests' image (MCPTASKS_E2E_IMAGE) and removes it
afterwards. `--audit-log` names the API server's audit log, where it can be read: then the requests of our components
are counted. `--note` goes into the output: say which flags the control plane runs with.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.finished import Finished  # noqa: E402
from benchmarks.measure import CLIENTS, KeptClient, machine, printed, say, seconds, submit, summary  # noqa: E402
from benchmarks.observer import Moment, MomentObserver  # noqa: E402
from benchmarks.usage import Usage, cpu_between, node_cpu, node_cpu_per, rss, usage_of  # noqa: E402
from benchmarks.writes import AuditLog, per_task, writes_per_task  # noqa: E402
from tests.e2e.cluster import ClusterDeployment, installed  # noqa: E402
from tests.support.polling import eventually  # noqa: E402

SECTIONS = ("latency", "cancel", "polls", "burst", "finished")
COMPONENTS = ("server", "operator")
READS = 200
LISTS = 20
POLLS = 1000
POLLED = 8
"""So many tasks in turn: what one caller may ask of one task has a limit."""

FRESH_READS = (0, 100)
"""No limit, and the default."""

IDLE_SECONDS = 180.0
"""Longer than `MCPTASKS_RESYNC_SECONDS`, so that what is done from time to time is in it."""

QUIET_SECONDS = 5.0
QUIET_SHARE = 0.05
"""A component that uses so little of a core for so long has taken in what there is."""

BURST_SECONDS = 90.0


@dataclass(frozen=True)
class Benchmark:
    """All measurements on one installation."""

    deployment: ClusterDeployment
    client: KeptClient
    observer: MomentObserver
    audit: AuditLog | None

    def latency(self, samples: int) -> dict[str, object]:
        """One call at a time: the task's moments from the call on, and the same tool inline."""
        inline = [seconds(self.client.add) for _ in range(samples)]
        found: dict[str, list[float]] = {"submit": []}
        for number in range(samples):
            start = time.perf_counter()
            task_id = self.client.create_add()
            found["submit"].append(time.perf_counter() - start)
            self.client.result(task_id)
            found.setdefault("result_visible", []).append(time.perf_counter() - start)
            self.observer.wait(task_id, Moment.TERMINATED)
            for moment in Moment:
                when = self.observer.when(task_id, moment)
                if when is not None:
                    found.setdefault(moment.value, []).append(when - start)
            say(f"latency {number + 1} of {samples}: {found['result_visible'][-1]:.2f} s")
        return {"inline": summary(inline), "task": {name: summary(values) for name, values in found.items()}}

    def cancel(self, samples: int) -> dict[str, object]:
        """From `tasks/cancel` of a sleeping tool to the end of its container."""
        answered, gone, written = [], [], []
        for number in range(samples):
            task_id = self.client.create("nap", {"seconds": 120}, ttl=3_600_000)
            self.observer.wait(task_id, Moment.CLAIMED)
            time.sleep(0.5)
            start = time.perf_counter()
            self.client.cancel(task_id)
            answered.append(time.perf_counter() - start)
            gone.append(self.observer.wait(task_id, Moment.CONTAINER_ENDED) - start)
            written.append(self.observer.wait(task_id, Moment.TERMINATED) - start)
            say(f"cancel {number + 1} of {samples}: {gone[-1]:.2f} s")
        return {
            "answered": summary(answered),
            "container_gone": summary(gone),
            "pods_terminated_written": summary(written),
        }

    def polls(self) -> dict[str, object]:
        """`tasks/get` of tasks that work, which is read again within a limit, and of tasks that have ended."""
        nap = {"seconds": 3600, "steps": 1}
        tasks = {
            "working": [self.client.create("nap", nap, ttl=3_600_000) for _ in range(POLLED)],
            "ended": [self.client.create_add() for _ in range(POLLED)],
        }
        for task_id in tasks["working"]:
            self.observer.wait(task_id, Moment.CLAIMED)
        for task_id in tasks["ended"]:
            self.observer.wait(task_id, Moment.TERMINATED)
        report: dict[str, object] = {}
        for limit in FRESH_READS:
            self.deployment.set_env("server", "MCPTASKS_MAX_FRESH_READS_PER_SECOND", str(limit))
            found = {name: self._polled(name, polled) for name, polled in tasks.items()}
            report[f"{limit or 'all'} fresh reads per second"] = found
        self._cancel(tasks["working"])
        return report

    def _polled(self, name: str, tasks: list[str]) -> dict[str, object]:
        """One at a time, and as many at once as there are connections; the cost is that of both together."""
        say(f"{POLLS} polls of tasks that are {name}, one at a time and at once")
        polls = tasks * (POLLS // len(tasks))
        servers, node = usage_of(self.deployment, "server"), node_cpu()
        alone = [seconds(partial(self.client.get, task_id)) for task_id in polls]
        with ThreadPoolExecutor(CLIENTS) as pool:
            together = seconds(lambda: list(pool.map(self.client.get, polls)))
        used = cpu_between(servers, usage_of(self.deployment, "server"))
        return {
            "one_at_a_time": summary(alone),
            "at_once_per_second": round(len(polls) / together, 1),
            "server_cpu_ms": round(1000 * used / (2 * len(polls)), 2),
            "node_cpu_ms": node_cpu_per(node, 2 * len(polls), digits=2),
        }

    def burst(self, tasks: int, limit: float) -> dict[str, object]:
        """All tasks at once, followed for `limit` seconds at most; those that are left then are cancelled."""
        mark = self._mark()
        start = time.perf_counter()
        made = submit(self.client, tasks, "add_in_turn")
        submitted = time.perf_counter() - start
        say(f"{tasks} tasks submitted in {submitted:.1f} s")
        ended = self._ended(made, start, limit)
        written = self.observer.wait_all(made, Moment.TERMINATED, 30 if len(ended) == tasks else 0)
        jobs = Counter(self.observer.jobs_of(task) for task in made)
        report: dict[str, object] = {
            "tasks": tasks,
            "ended": len(ended),
            "outcomes": self.observer.outcomes(made),
            "pods_terminated_written": len(written),
            "jobs_per_task": {str(count): tasks for count, tasks in sorted(jobs.items())},
            "submit_seconds": round(submitted, 2),
            "submits_per_second": round(tasks / submitted, 1),
            "first_result_seconds": round(ended[0] - start, 2) if ended else None,
            "seconds": round(ended[-1] - start, 2) if ended else None,
            "tasks_per_second": _rate(ended),
            **self._since(mark, len(ended)),
        }
        self._cancel(made)
        return report

    def _ended(self, made: list[str], start: float, limit: float) -> list[float]:
        while True:
            left = start + limit - time.perf_counter()
            ended = self.observer.wait_all(made, Moment.ENDED, min(20.0, max(0.0, left)))
            counts = ", ".join(f"{moment} {self.observer.count(made, moment)}" for moment in Moment)
            say(f"after {time.perf_counter() - start:.0f} s of {len(made)}: {counts}")
            if len(ended) == len(made) or left <= 0:
                return ended

    def _cancel(self, made: list[str]) -> None:
        for task_id in made:
            if self.observer.when(task_id, Moment.ENDED) is None:
                self.client.old("tasks/cancel", {"taskId": task_id})

    def finished(self, count: int, tasks: int) -> dict[str, object]:
        """The same reads and a small burst, first with few finished tasks and then with the given number."""
        few: dict[str, object] = {
            "reads": self.reads(self.client.create_add()),
            "burst": self.burst(tasks, BURST_SECONDS),
        }
        few["memory"] = self._memory()
        say(f"making {count} finished tasks")
        # A task is made before it is finished: an operator that sees it in between would run it.
        self.deployment.scale("operator", 0)
        start = time.perf_counter()
        names = Finished(self.deployment.kubeconfig, self.deployment.namespace).make(count)
        made = time.perf_counter() - start
        self.deployment.scale("operator", 2)
        many: dict[str, object] = {"operator_takes_in": self._takes_in("operator")}
        many |= {"reads": self.reads(names[0]), "memory": self._memory()}
        say(f"{IDLE_SECONDS:.0f} s without work")
        many["idle_cpu_percent"] = self._idle()
        say(f"{tasks} tasks among {count} finished ones")
        many["burst"] = self.burst(tasks, BURST_SECONDS)
        many["restart"] = {component: self._restart(component) for component in COMPONENTS}
        return {"count": count, "seconds_to_make": round(made, 1), "few": few, "many": many}

    def reads(self, task_id: str) -> dict[str, object]:
        """`tasks/get` and `tasks/list`, one at a time: latency, and CPU of all servers."""
        return {
            "tasks/get": self._repeat(READS, lambda: self.client.get(task_id)),
            "tasks/list": self._repeat(LISTS, lambda: self.client.old("tasks/list").result),
        }

    def _repeat(self, times: int, action: Callable[[], object]) -> dict[str, object]:
        before = usage_of(self.deployment, "server")
        samples = [seconds(action) for _ in range(times)]
        used = cpu_between(before, usage_of(self.deployment, "server"))
        return {**summary(samples), "server_cpu_ms": round(1000 * used / times, 2)}

    def _memory(self) -> dict[str, list[float]]:
        return {f"{component}_rss_mib": rss(usage_of(self.deployment, component)) for component in COMPONENTS}

    def _idle(self) -> dict[str, float]:
        before = {component: usage_of(self.deployment, component) for component in COMPONENTS}
        time.sleep(IDLE_SECONDS)
        return {
            component: round(
                100 * cpu_between(before[component], usage_of(self.deployment, component)) / IDLE_SECONDS, 1
            )
            for component in COMPONENTS
        }

    def _restart(self, component: str) -> dict[str, object]:
        """Restart all of the component's Pods: what reading everything costs, and how long the next task takes."""
        old = set(self.deployment.pods(component))
        self.deployment.kill(component)
        eventually("new Pods", lambda: not old & set(self.deployment.pods(component)), 60)
        self.deployment.ready(component)
        if component == "operator":
            eventually("an operator leads", self._leads, 60)
        waited = seconds(lambda: self.client.result(self.client.create_add()))
        return {"next_task_seconds": round(waited, 2), **self._takes_in(component)}

    def _takes_in(self, component: str) -> dict[str, object]:
        """Until new Pods, of operators the one that leads, have read what there is: CPU and memory of each."""
        if component == "operator":
            eventually("an operator leads", self._leads, 60)
        say(f"{component} takes in what there is")
        while True:
            before = usage_of(self.deployment, component)
            time.sleep(QUIET_SECONDS)
            found = usage_of(self.deployment, component)
            if cpu_between(before, found) < QUIET_SECONDS * QUIET_SHARE * len(found):
                cpu = sorted((usage.cpu for usage in found.values()), reverse=True)
                return {"cpu_seconds": [round(seconds, 2) for seconds in cpu], "rss_mib": rss(found)}

    def _leads(self) -> bool:
        return self.deployment.leader().partition("_")[0] in self.deployment.pods("operator")

    def _mark(self) -> Mark:
        usage = {component: usage_of(self.deployment, component) for component in COMPONENTS}
        return Mark(usage, node_cpu(), self.audit.position() if self.audit else 0)

    def _since(self, mark: Mark, tasks: int) -> dict[str, object]:
        """Cost per task since the mark."""
        if not tasks:
            return {}
        report: dict[str, object] = {}
        for component, before in mark.usage.items():
            after = usage_of(self.deployment, component)
            report[component] = {
                "cpu_ms_per_task": round(1000 * cpu_between(before, after) / tasks, 1),
                "rss_mib": rss(after),
            }
        report["node_cpu_ms_per_task"] = node_cpu_per(mark.node, tasks)
        if self.audit is not None:
            time.sleep(1)
            found = self.audit.requests(mark.position, self.deployment.namespace)
            report["writes_per_task"] = writes_per_task(found, tasks)
            report["requests_per_task"] = per_task(found, tasks)
        return report


@dataclass(frozen=True)
class Mark:
    """How far all counters were."""

    usage: dict[str, dict[str, Usage]]
    node: dict[str, float]
    position: int


def _rate(ended: list[float]) -> float | None:
    """Tasks a second between the first and the last tenth, without start and tail."""
    tenth = len(ended) // 10
    if tenth == 0:
        return None
    first, last = ended[tenth], ended[-tenth - 1]
    return round((len(ended) - 2 * tenth - 1) / (last - first), 2) if last > first else None


def run(arguments: argparse.Namespace, report: dict[str, object]) -> None:
    """Install, measure what was asked for, remove. The report fills as it goes."""
    report |= {"machine": machine(), "note": arguments.note}
    say("installing")
    with contextmanager(installed)(arguments.kubeconfig) as deployment:
        version = json.loads(deployment.kubectl.run("version", "-o", "json"))
        report["kubernetes"] = version["serverVersion"]["gitVersion"]
        with MomentObserver(deployment.kubeconfig, deployment.namespace).watching() as observer:
            audit = AuditLog(arguments.audit_log) if arguments.audit_log else None
            benchmark = Benchmark(deployment, KeptClient(deployment.endpoint), observer, audit)
            say("warming up")
            benchmark.client.result(benchmark.client.create_add())
            for name in arguments.sections:
                report[name] = section(benchmark, name, arguments)
        say("removing")


def section(benchmark: Benchmark, name: str, arguments: argparse.Namespace) -> dict[str, object]:
    """One part of the report."""
    match name:
        case "latency":
            return benchmark.latency(arguments.samples)
        case "cancel":
            return benchmark.cancel(arguments.samples)
        case "polls":
            return benchmark.polls()
        case "burst":
            return benchmark.burst(arguments.tasks, arguments.seconds)
        case "finished":
            return benchmark.finished(arguments.finished, arguments.tasks_among)
    raise AssertionError(f"no section {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--samples", type=int, default=20, help="calls for the latencies")
    parser.add_argument("--tasks", type=int, default=200, help="tasks at once")
    parser.add_argument("--seconds", type=float, default=900, help="how long the tasks at once are followed")
    parser.add_argument("--finished", type=int, default=10_000, help="finished McpTasks that lie around")
    parser.add_argument("--tasks-among", type=int, default=20, help="tasks at once among the finished ones")
    parser.add_argument("--audit-log", type=Path, help="the API server's audit log")
    parser.add_argument("--note", default="", help="the control plane's flags, or whatever else readers should know")
    arguments = parser.parse_args()
    with printed() as report:
        run(arguments, report)


if __name__ == "__main__":
    main()
