"""`mcptasks demo`, from its start to its end without traces."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.integration.cli.background import gone, running
from tests.integration.cli.conftest import DemoRun
from tests.support.command_line import Cli
from tests.support.readme import TUTORIAL, blocks


def test_the_demonstration_shows_its_claims_with_proof_and_leaves_nothing(demonstration: DemoRun) -> None:
    done = demonstration.done
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert demonstration.left == []
    text = done.stdout
    for version in ("2025-11-25", "2026-07-28"):
        assert re.search(rf"^report, MCP {version}: \d+% \(\d+/\d+\) parsing \S+$", text, re.MULTILINE)
        assert re.search(rf"^report, MCP {version}: completed in", text, re.MULTILINE)
    assert "The same result in both protocol versions" in text
    assert int(re.search(r"(\d+) files, \d+ lines", text)[1]) > 1000  # type: ignore[index]
    gone_processes = re.search(r"^Processes gone: (\d+(?:, \d+)+)$", text, re.MULTILINE)
    assert gone_processes
    assert not any(psutil.pid_exists(int(pid)) for pid in gone_processes[1].split(", "))
    assert re.search(r"^executor: Warm +\d+\.\d\d s from call to result, the fastest of 5$", text, re.MULTILINE)
    assert re.search(r"^executor: Job +\d+\.\d\d s, the fastest of 2: \d+ times as long$", text, re.MULTILINE)
    assert re.search(r"^Job gone: count-slowly-\w+$", text, re.MULTILINE)
    assert re.search(r"^PodsTerminated: True, \d+\.\d+ s after", text, re.MULTILINE)
    assert re.search(r"reason ToolError\n  the client is told:\n    .*the disk is full", text)
    assert re.search(r"reason ExitCode\n  the client is told:\n    .*exit code 3", text)
    assert re.search(r"^NAME +COMPONENT +PHASE +PROGRESS +REASON +AGE$", text, re.MULTILINE)


def shape(line: str) -> str:
    """The line without what differs from run to run: numbers and how many, random names, widths, a crash's progress."""
    line = re.sub(r"\d+% \(\d+/\d+\)", "", line)
    line = re.sub(r"-[a-z2-7]{26}\b", "-ID", line)
    line = re.sub(r"N(, N)+", "N, N", re.sub(r"\d+(\.\d+)?", "N", line))
    return re.sub(r"\s+", " ", line).strip()


def test_make_demo_prints_what_the_tutorial_shows(demonstration: DemoRun) -> None:
    assert "make demo\n" in blocks("sh", TUTORIAL)
    done = demonstration.done
    assert done.returncode == 0, done.stdout + done.stderr
    (expected,) = [block for block in blocks("", TUTORIAL) if "== A task cancelled" in block]
    printed = {shape(line) for line in done.stdout.splitlines()}
    shown = [line for line in expected.splitlines() if line and line != "..."]
    assert [line for line in shown if shape(line) not in printed] == []


@pytest.mark.long
def test_keep_leaves_it_running_with_three_commands_that_work(cli: Cli, tmp_path: Path) -> None:
    # Nothing is on this PATH, so that the list comes from `mcptasks get`.
    with running("demo", "--keep", environment={"PATH": str(tmp_path)}) as demo:
        demo.line("^== All of it as Kubernetes objects: mcptasks get$")
        demo.line(r"^NAME +COMPONENT +PHASE +PROGRESS +REASON +AGE$")
        endpoint = demo.line(r"^endpoint: (\S+)$")[1]
        kubeconfig = demo.line(r"^kubeconfig: (\S+)$")[1]
        demo.line("^Go on with:$")
        commands = [demo.line(r"^  (mcptasks|kubectl) (.+)$")[0].split() for _ in range(3)]
        assert [command[0] for command in commands] == ["mcptasks", "mcptasks", "kubectl"]
        dashboard = demo.line(r"^  (http://127\.0\.0\.1:\d+/)$")[1]
        assert "Tasks" in httpx2.get(f"{dashboard}tasks", trust_env=False, timeout=30).text
        assert cli("call", endpoint, "report", "--arg", "top=1", "--arg", "packages=json").returncode == 0
        assert cli(*[word for word in commands[1][1:] if word != "-w"]).returncode == 0
        listed = subprocess.run(commands[2], capture_output=True, text=True, check=False)
        assert listed.returncode == 0, listed.stderr
        processes = demo.descendants()
        demo.send(signal.SIGINT)
        assert demo.end() == 0
    assert gone(processes)
    assert not Path(kubeconfig).parent.exists()


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demonstration_leaves_nothing(number: signal.Signals, code: int) -> None:
    with running("demo") as demo:
        demo.line(r"report, MCP .*: \d+%")
        processes = demo.descendants()
        assert len(processes) >= 4
        demo.send(number)
        assert demo.end() == code
        assert "Traceback" not in demo.text
    assert gone(processes)
