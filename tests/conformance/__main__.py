"""Run the official conformance suite against our fixture server on an embedded cluster.

    python -m tests.conformance [--scenario NAME ...] [-o summary.json]

Prints a table, writes a machine-readable summary and exits with 1 where a check failed that is not a known gap.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mcptasks.dev.stack import LocalStack, StackConfig
from tests.support.check_results import FAILURE, SUCCESS, Check, Checked, write_summary
from tests.support.environments import CACHE, InstallError, node, npm_packages

PACKAGE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
SERVER = Path(__file__).with_name("server.py")
SUMMARY = CACHE / "conformance-summary.json"

TASK_SCENARIOS = (
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-status-notifications",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
)

OTHER_SCENARIOS = (
    "server-initialize",
    "server-stateless",
    "ping",
    "http-header-validation",
    "caching",
    "dns-rebinding-protection",
    "tools-list",
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-error",
    "tools-call-with-progress",
    "prompts-list",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-embedded-resource",
    "prompts-get-with-image",
    "resources-list",
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "sep-2164-resource-not-found",
)
"""What a `TaskServer` must go on doing as the `MCPServer` that it is. Left out are features that the fixture does not
offer (completions, log levels, resource subscriptions, skills, custom headers) and what needs a session (sampling and
elicitation of the older version inline, resumable streams): the endpoint keeps none."""

KNOWN_GAPS: dict[str, str] = {}
"""Scenarios that fail for a reason that docs/protocol.md tells. One that passes must leave this list."""

SCENARIO_SECONDS = 120


@dataclass(frozen=True)
class Scenario:
    """What came of one scenario."""

    name: str
    outcome: Checked

    @property
    def passed(self) -> bool:
        return self.outcome.passed

    @property
    def as_known(self) -> bool:
        """Whether it passes, or fails where a gap is known."""
        return self.passed is (self.name not in KNOWN_GAPS)


@dataclass(frozen=True)
class Suite:
    """The installed suite."""

    node: Path
    program: Path

    def run(self, name: str, url: str) -> Checked:
        """Run one scenario against the server."""
        with tempfile.TemporaryDirectory(prefix="mcptasks-conformance-") as folder:
            command = [str(self.node), str(self.program), "server", "--url", url, "--scenario", name, "-o", folder]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=SCENARIO_SECONDS)
            except subprocess.TimeoutExpired:
                return Checked((), f"not done within {SCENARIO_SECONDS} s")
            reports = sorted(Path(folder).glob("*/checks.json"))
            if not reports:
                return Checked((), (done.stderr or done.stdout).strip()[-2000:] or "no report")
            return Checked(tuple(_check(item) for item in json.loads(reports[-1].read_text())))


def _check(item: dict[str, Any]) -> Check:
    return Check(str(item["id"]), str(item["status"]), str(item.get("errorMessage") or ""))


def installed_suite() -> Suite:
    """The suite and a Node.js that runs it. Raises InstallError."""
    modules = npm_packages(CACHE / "conformance", [f"{PACKAGE}@{VERSION}"])
    return Suite(node(), modules / PACKAGE / "dist" / "index.js")


def table(scenarios: Sequence[Scenario]) -> str:
    """The outcome for people."""
    width = max(len(scenario.name) for scenario in scenarios)
    lines = [f"{'scenario':{width}}  passed  failed  skipped"]
    for scenario in scenarios:
        outcome = scenario.outcome
        counts = [outcome.count(status) for status in (SUCCESS, FAILURE, "SKIPPED")]
        lines.append(f"{scenario.name:{width}}  {counts[0]:6}  {counts[1]:6}  {counts[2]:7}")
        if outcome.error:
            lines.append(f"    no result: {outcome.error}")
        lines += [f"    {check.id}: {check.message}" for check in outcome.failures]
        if scenario.name in KNOWN_GAPS:
            found = "passes now, take it out of KNOWN_GAPS" if scenario.passed else "known"
            lines.append(f"    {found}: {KNOWN_GAPS[scenario.name]}")
    return "\n".join(lines)


def summary(scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """The outcome for programs."""
    return {
        "suite": f"{PACKAGE}@{VERSION}",
        "passed": all(scenario.passed for scenario in scenarios),
        "scenarios": [
            {"name": scenario.name, **asdict(scenario.outcome), "passed": scenario.passed} for scenario in scenarios
        ],
    }


def run(names: Sequence[str]) -> list[Scenario]:
    """Run the scenarios one after the other on one embedded cluster. Raises InstallError."""
    suite = installed_suite()
    with LocalStack(StackConfig(str(SERVER))) as stack:
        return [Scenario(name, suite.run(name, stack.endpoint)) for name in names]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--scenario", action="append", help="run only this one; may be repeated")
    parser.add_argument("-o", "--output", type=Path, default=SUMMARY, help="file for the machine-readable summary")
    arguments = parser.parse_args()
    if shutil.which("npm") is None and not (CACHE / "conformance").exists():
        print("make conformance needs Node.js with npm", file=sys.stderr)
        return 2
    try:
        scenarios = run(arguments.scenario or [*TASK_SCENARIOS, *OTHER_SCENARIOS])
    except InstallError as error:
        print(error, file=sys.stderr)
        return 2
    write_summary(arguments.output, summary(scenarios))
    print(table(scenarios))
    return 0 if all(scenario.as_known for scenario in scenarios) else 1


if __name__ == "__main__":
    sys.exit(main())
