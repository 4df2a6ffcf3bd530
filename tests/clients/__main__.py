"""Run the clients that exist against one server, and against two behind a round-robin proxy, or against these alone.

    python -m tests.clients [--client NAME ...] [-o summary.json]

Each client lives in an environment of its own. Prints a table and exits with 1 where a check failed; a full run without
a failure writes the table of docs/clients.md. Inspector's page needs a Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from subprocess import PIPE
from typing import Any

from mcptasks.dev.stack import PATH, LocalStack, StackConfig
from tests.browser.chromium import HOW, chromium
from tests.clients.proxy import round_robin
from tests.support.check_results import FAILURE, SUCCESS, Check, Checked, write_summary
from tests.support.environments import CACHE, ROOT, InstallError, node, npm_packages, virtual_environment

FOLDER = Path(__file__).parent
PROGRAMS_FOLDER = FOLDER / "programs"
ENVIRONMENTS = CACHE / "clients"
SUMMARY = CACHE / "clients-summary.json"
DOCUMENT = ROOT / "docs" / "clients.md"
BEGIN, END = "<!-- written by `make clients` -->\n", "<!-- end -->\n"

ONE, TWO = TARGETS = ("one server", "two servers in turn")
PROGRAM_SECONDS = 240
AT_ONCE = 3
"""Programs wait for Pods most of their time."""

OLDER, NEWER = "2025-11-25", "2026-07-28"


@dataclass(frozen=True)
class ClientProgram:
    """A client: what is installed for it, and the program that tries it."""

    name: str
    title: str
    version: str
    script: str
    packages: tuple[str, ...]
    environment: str
    arguments: tuple[str, ...] = ()
    targets: tuple[str, ...] = TARGETS

    @property
    def folder(self) -> Path:
        """Its environment, which programs may share."""
        return ENVIRONMENTS / self.environment

    def install(self) -> None:
        """Install what it needs, if it is not there yet. Raises InstallError."""
        virtual_environment(self.folder, self.packages)

    def command(self, url: str) -> list[str]:
        """The command line of the program, once it is installed. Raises InstallError."""
        python = virtual_environment(self.folder, self.packages)
        return [str(python), str(PROGRAMS_FOLDER / self.script), url, *self.arguments]


class NodeProgram(ClientProgram):
    """A client on Node.js, and its program too."""

    def install(self) -> None:
        npm_packages(self.folder, self.packages)
        # Node finds packages beside the program alone.
        for source in PROGRAMS_FOLDER.glob("*.mjs"):
            shutil.copy(source, self.folder)

    def command(self, url: str) -> list[str]:
        return [str(node()), str(self.folder / self.script), url, *self.arguments]


class PageProgram(ClientProgram):
    """A page of a server on Node.js; its program has a browser, from our own environment."""

    def install(self) -> None:
        npm_packages(self.folder, self.packages)
        self.browser()

    def command(self, url: str) -> list[str]:
        launcher = npm_packages(self.folder, self.packages) / INSPECTOR_LAUNCHER
        script = PROGRAMS_FOLDER / self.script
        return [sys.executable, str(script), url, str(node()), str(launcher), self.browser(), *self.arguments]

    def browser(self) -> str:
        """The path of a Chromium. Raises InstallError."""
        found = chromium()
        if found is None:
            raise InstallError(f"{self.title}: there is no Chromium: {HOW}")
        return found


INSPECTOR = ("@modelcontextprotocol/inspector@2.12.0",)
INSPECTOR_LAUNCHER = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"

PYDANTIC_AI = "pydantic-ai-slim[mcp]==2.68.0"

EXT_TASKS = ("@modelcontextprotocol/ext-tasks@0.2.2", "@modelcontextprotocol/client@2.4.0")

PROGRAMS = (
    ClientProgram("mcp-1", "mcp 1.30 (experimental tasks)", OLDER, "mcp_1.py", ("mcp==1.30.0",), "mcp-1"),
    ClientProgram("mcp-2", "mcp 2.3 with a client extension", NEWER, "mcp_2.py", ("mcp==2.3.0",), "mcp-2"),
    ClientProgram("fastmcp-3", "FastMCP 3.4", OLDER, "fastmcp_3.py", ("fastmcp[tasks]==3.4.10",), "fastmcp-3"),
    ClientProgram(
        "fastmcp-4",
        "FastMCP 4.1 with fastmcp-tasks",
        NEWER,
        "fastmcp_4.py",
        ("fastmcp==4.1.2", "fastmcp-tasks==4.1.2"),
        "fastmcp-4",
    ),
    NodeProgram(
        "typescript-sdk",
        "@modelcontextprotocol/sdk 1.32",
        OLDER,
        "typescript_sdk.mjs",
        ("@modelcontextprotocol/sdk@1.32.2",),
        "typescript-sdk",
    ),
    NodeProgram(
        "ext-tasks-legacy",
        "@modelcontextprotocol/ext-tasks 0.2",
        OLDER,
        "ext_tasks.mjs",
        EXT_TASKS,
        "ext-tasks",
        ("legacy",),
    ),
    NodeProgram(
        "ext-tasks-modern",
        "@modelcontextprotocol/ext-tasks 0.2",
        NEWER,
        "ext_tasks.mjs",
        EXT_TASKS,
        "ext-tasks",
        ("modern",),
    ),
    NodeProgram(
        "inspector-cli-legacy",
        "MCP Inspector 2.12, command line",
        OLDER,
        "inspector_cli.mjs",
        INSPECTOR,
        "inspector",
        ("legacy",),
        (TWO,),
    ),
    NodeProgram(
        "inspector-cli-modern",
        "MCP Inspector 2.12, command line",
        NEWER,
        "inspector_cli.mjs",
        INSPECTOR,
        "inspector",
        ("modern",),
        (TWO,),
    ),
    PageProgram(
        "inspector-page-legacy",
        "MCP Inspector 2.12, in Chromium",
        OLDER,
        "inspector_page.py",
        INSPECTOR,
        "inspector",
        ("legacy",),
        (TWO,),
    ),
    PageProgram(
        "inspector-page-modern",
        "MCP Inspector 2.12, in Chromium",
        NEWER,
        "inspector_page.py",
        INSPECTOR,
        "inspector",
        ("modern",),
        (TWO,),
    ),
    ClientProgram(
        "langchain",
        "langchain-mcp-adapters 0.3 in LangGraph 1.2",
        OLDER,
        "langchain_agent.py",
        ("langchain-mcp-adapters==0.3.2", "langgraph==1.2.24"),
        "langchain",
        targets=(TWO,),
    ),
    ClientProgram(
        "pydantic-ai-legacy",
        "Pydantic AI 2.68",
        OLDER,
        "pydantic_agent.py",
        (PYDANTIC_AI,),
        "pydantic-ai",
        ("legacy",),
        (TWO,),
    ),
    ClientProgram(
        "pydantic-ai",
        "Pydantic AI 2.68",
        NEWER,
        "pydantic_agent.py",
        (PYDANTIC_AI,),
        "pydantic-ai",
        ("auto",),
        (TWO,),
    ),
    ClientProgram(
        "pydantic-ai-tasks",
        "Pydantic AI 2.68 with fastmcp-tasks 4.1",
        NEWER,
        "pydantic_agent.py",
        (PYDANTIC_AI, "fastmcp-tasks==4.1.4"),
        "pydantic-ai-tasks",
        ("auto",),
        (TWO,),
    ),
    ClientProgram(
        "openai-agents",
        "OpenAI Agents SDK 0.24",
        NEWER,
        "openai_agent.py",
        ("openai-agents==0.24.0",),
        "openai-agents",
        targets=(TWO,),
    ),
    NodeProgram(
        "qwen-code",
        "Qwen Code 0.24",
        OLDER,
        "qwen_code.mjs",
        ("@qwen-code/qwen-code@0.24.4",),
        "qwen-code",
        targets=(TWO,),
    ),
)


@dataclass(frozen=True)
class ProgramRun:
    """What came of one program against one target."""

    client: str
    target: str
    outcome: Checked

    @property
    def score(self) -> str:
        return f"{self.outcome.count(SUCCESS)} of {len(self.outcome.checks)}"


def run(command: Sequence[str]) -> Checked:
    """Run one program to its end. Nothing that it has started outlives it."""
    # A session of its own, so that all of it can be ended.
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True) as process:
        try:
            stdout, stderr = process.communicate(timeout=PROGRAM_SECONDS)
        except subprocess.TimeoutExpired:
            end_group(process.pid)
            stdout, _ = process.communicate()
            return Checked(_checks(stdout), f"not done within {PROGRAM_SECONDS} s")
        finally:
            end_group(process.pid)
    found = Checked(_checks(stdout))
    if found.failures or (found.checks and not process.returncode):
        return found
    return replace(found, error=stderr.strip()[-2000:] or f"exit {process.returncode}")


def end_group(leader: int) -> None:
    """Kill what is left of a process group."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _checks(output: str) -> tuple[Check, ...]:
    lines = (json.loads(line) for line in output.splitlines() if line.startswith('{"check"'))
    return tuple(Check(line["check"], SUCCESS if line["ok"] else FAILURE, line["detail"]) for line in lines)


def install(programs: Sequence[ClientProgram]) -> None:
    """Install what the programs need, each environment once. Raises InstallError."""
    node()
    by_environment: dict[str, list[ClientProgram]] = {}
    for program in programs:
        by_environment.setdefault(program.environment, []).append(program)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(_install_in_turn, by_environment.values()))


def _install_in_turn(programs: Sequence[ClientProgram]) -> None:
    for program in programs:
        program.install()


def run_all(programs: Sequence[ClientProgram]) -> list[ProgramRun]:
    """All programs against both targets. Raises InstallError."""
    install(programs)
    with LocalStack(StackConfig(str(FOLDER / "server.py"), servers=2)) as stack:
        endpoints = [stack.endpoint_of(name) for name in stack.server_names]
        with round_robin(endpoints, PATH) as both, ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = [
                (program.name, target, pool.submit(run, program.command(url)))
                for target, url in zip(TARGETS, (stack.endpoint, both), strict=True)
                for program in programs
                if target in program.targets
            ]
            return [ProgramRun(client, target, job.result()) for client, target, job in jobs]


def table(programs: Sequence[ClientProgram], runs: Sequence[ProgramRun]) -> str:
    """The outcome as a Markdown table."""
    found = {(result.client, result.target): result for result in runs}
    lines = [f"| Client | Protocol version | {' | '.join(TARGETS)} |", "|---|---|" + "---|" * len(TARGETS)]
    for program in programs:
        scores = [found[program.name, target].score if target in program.targets else "" for target in TARGETS]
        lines.append(f"| {program.title} | {program.version} | {' | '.join(scores)} |")
    return "\n".join(lines) + "\n"


def checks_by_client(programs: Sequence[ClientProgram], runs: Sequence[ProgramRun]) -> str:
    """What is checked with each client, as Markdown."""
    lines = []
    for program in programs:
        checks = next(result.outcome.checks for result in runs if result.client == program.name)
        lines.append(f"- **{program.title}**, {program.version}: " + "; ".join(check.id for check in checks) + ".")
    return "\n".join(lines) + "\n"


def failures(runs: Sequence[ProgramRun]) -> str:
    """All that went wrong, for people."""
    lines = []
    for result in runs:
        wrong = [f"  {check.id}: {check.message}" for check in result.outcome.failures]
        if result.outcome.error:
            wrong.append(f"  ended early: {result.outcome.error}")
        if wrong:
            lines += [f"{result.client}, {result.target}:", *wrong]
    return "\n".join(lines)


def write_document(text: str) -> None:
    """Put the text between the marks of docs/clients.md."""
    document = DOCUMENT.read_text()
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    DOCUMENT.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def summary(runs: Sequence[ProgramRun]) -> dict[str, Any]:
    """The outcome for programs."""
    return {
        "passed": all(result.outcome.passed for result in runs),
        "runs": [{"client": result.client, "target": result.target, **asdict(result.outcome)} for result in runs],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    names = [program.name for program in PROGRAMS]
    parser.add_argument("--client", action="append", choices=names, help="run only this one; may be repeated")
    parser.add_argument("-o", "--output", type=Path, default=SUMMARY, help="file for the machine-readable summary")
    arguments = parser.parse_args()
    programs = [program for program in PROGRAMS if program.name in (arguments.client or names)]
    try:
        runs = run_all(programs)
    except InstallError as error:
        print(error, file=sys.stderr)
        return 2
    write_summary(arguments.output, summary(runs))
    print(table(programs, runs), failures(runs), sep="\n")
    passed = all(result.outcome.passed for result in runs)
    if passed and not arguments.client:
        write_document(f"{table(programs, runs)}\nWhat is checked with each:\n\n{checks_by_client(programs, runs)}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
