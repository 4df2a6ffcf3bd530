"""`python -m tests.verification`: what takes long, part by part, and a table of it in docs/; `make verify-all` runs it.

Each part is a target of the Makefile. The table keeps the rows of parts that a run leaves out.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.support.kubectl import kubectl_path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "verification.md"
EMBEDDED = "embedded"

HEAD = """\
# What was verified, and when

`make verify-all` runs what takes too long for every change, and writes this table: the last run of each part on each
cluster. A change is checked by samples of the same tests (`make test`, `.ci/run`).

| part | cluster | what ran | when | commit | took | result |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class MakeTarget:
    """A target of the Makefile. `outcome` finds the line of its output that tells what came of it."""

    target: str
    about: str
    outcome: str
    on_cluster: bool = False
    """Whether it runs on the cluster of KUBECONFIG where there is one."""
    needs_cluster: bool = False
    """Whether there is nothing of it without one."""


PYTEST = r"^=*\s*(\d+ (?:passed|failed|error).*?)\s*=*$"
NOTHING = r"(?!)"
"""No line tells: it has passed, or not."""

PARTS: Mapping[str, MakeTarget] = {
    "tests": MakeTarget("test", "all tests on an embedded cluster", PYTEST),
    "crowds": MakeTarget("crowds", "hundreds of tasks and of races at once", PYTEST, on_cluster=True),
    "faults": MakeTarget(
        "faults", "each component killed at each step of a task", r"^(trials \d+, .*)$", on_cluster=True
    ),
    "faults-warm": MakeTarget(
        "faults-warm",
        "each component and each process of a worker killed at each step of a task that workers run",
        r"^(trials \d+, .*)$",
        on_cluster=True,
    ),
    "warm-upgrade": MakeTarget(
        "warm-upgrade",
        "upgrade from before there were workers, templates with workers, and rollback, with tasks running",
        PYTEST,
        on_cluster=True,
        needs_cluster=True,
    ),
    "kueue": MakeTarget("kueue", "tasks that the real Kueue preempts", PYTEST, on_cluster=True, needs_cluster=True),
    "chart": MakeTarget("chart", "the rendered chart", PYTEST),
    "conformance": MakeTarget("conformance", "the official conformance suite", NOTHING),
    "clients": MakeTarget("clients", "clients and servers of others", PYTEST),
    "bench": MakeTarget("bench", "all benchmarks run to their end", NOTHING, on_cluster=True),
    "bench-warm": MakeTarget("bench-warm", "FastMCP and warm tasks side by side", NOTHING, on_cluster=True),
}


@dataclass(frozen=True)
class ResultRow:
    """One line of the table."""

    part: str
    cluster: str
    ran: str
    when: str
    commit: str
    took: str
    result: str

    def __str__(self) -> str:
        return "| " + " | ".join(text.replace("|", "\\|") for text in vars(self).values()) + " |"

    @property
    def key(self) -> tuple[str, str]:
        return self.part, self.cluster


def rows_of(page: str) -> list[ResultRow]:
    """The rows that a page has."""
    lines = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| part ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [ResultRow(*(text.replace("\\|", "|") for text in cell)) for cell in cells]


def page_of(rows: Iterable[ResultRow]) -> str:
    """The page; a later row replaces an earlier one of the same part on the same cluster."""
    latest = {row.key: row for row in rows}
    order = list(PARTS)
    known = sorted(
        latest.values(), key=lambda row: (order.index(row.part) if row.part in order else len(order), row.key)
    )
    return HEAD + "".join(f"{row}\n" for row in known)


def result_of(part: MakeTarget, output: Sequence[str], code: int) -> str:
    """What came of it: the last line that tells, and the exit code where it is not 0."""
    found = next((match for line in reversed(output) if (match := re.match(part.outcome, line.strip()))), None)
    said = found.group(1) if found else ""
    if code:
        return f"FAILED (exit code {code}){f': {said}' if said else ''}"
    return said or "passed"


def run(part: MakeTarget, command: Sequence[str]) -> tuple[int, list[str]]:
    """Run the target; its output is passed on while it comes."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    output = []
    for line in process.stdout:
        print(line, end="", flush=True)
        output.append(line)
    return process.wait(), output


def possible(names: Iterable[str], kubeconfig: str) -> list[str]:
    """Those parts that can run: without a real cluster, some cannot."""
    return [name for name in names if kubeconfig or not PARTS[name].needs_cluster]


def verify(name: str, options: Sequence[str], kubeconfig: str, cluster: str, commit: str) -> ResultRow:
    """Run a part; gives its row."""
    part = PARTS[name]
    settings = list(options)
    if kubeconfig and part.on_cluster:
        settings.append(f"KUBECONFIG={kubeconfig}")
    started = time.monotonic()
    print(f"\n== {name}: {part.about}", flush=True)
    code, output = run(part, ["make", "--no-print-directory", part.target, *settings])
    return ResultRow(
        part=name,
        cluster=cluster if part.on_cluster else EMBEDDED,
        ran=" ".join(["`make", part.target, *options]) + "`",
        when=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        commit=commit,
        took=f"{(time.monotonic() - started) / 60:.0f} min",
        result=result_of(part, output, code),
    )


def current_commit() -> str:
    """The commit that is checked out, and whether anything differs from it."""
    described = ["git", "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=, changed"]
    return subprocess.run(described, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def version_of(kubeconfig: str) -> str:
    """The cluster's version, as the table calls the cluster."""
    command = [kubectl_path(), f"--kubeconfig={kubeconfig}", "version", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return f"Kubernetes {json.loads(done.stdout)['serverVersion']['gitVersion'].removeprefix('v')}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.verification", description=__doc__)
    parser.add_argument("words", nargs="*", help=f"of {', '.join(PARTS)} these only; NAME=VALUE goes to the targets")
    parser.add_argument("--kubeconfig", default="", help="a real cluster, for the parts that run on one")
    arguments = parser.parse_args()
    options = [word for word in arguments.words if "=" in word]
    parts = [word for word in arguments.words if "=" not in word]
    if unknown := [name for name in parts if name not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    wanted = parts or list(PARTS)
    left_out = [name for name in wanted if name not in possible(wanted, arguments.kubeconfig)]
    if left_out:
        print(f"NOT WITHOUT A REAL CLUSTER (KUBECONFIG=...): {', '.join(left_out)}", flush=True)
    cluster = version_of(arguments.kubeconfig) if arguments.kubeconfig else EMBEDDED
    # Before the table is written, which is a change as well.
    commit = current_commit()
    rows = []
    for name in possible(wanted, arguments.kubeconfig):
        rows.append(verify(name, options, arguments.kubeconfig, cluster, commit))
        before = rows_of(TABLE.read_text()) if TABLE.exists() else []
        TABLE.write_text(page_of([*before, rows[-1]]))
    print("\n" + "\n".join(f"{row.part}: {row.result}" for row in rows))
    return int(any(row.result.startswith("FAILED") for row in rows) or set(left_out) >= set(wanted))


if __name__ == "__main__":
    sys.exit(main())
