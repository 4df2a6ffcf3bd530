"""How much memory the processes of a container hold."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from mcptasks_embedded.node.processes import ProcessInfo, memory_used

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what processes share")

MEBIBYTE = 1024 * 1024
PROGRAM = f"""
import os, sys
held = os.urandom(60 * {MEBIBYTE})
pids = []
for _ in range(3):
    if not (pid := os.fork()):
        sys.stdin.read()
        os._exit(0)
    pids.append(pid)
print(os.getpid(), *pids, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def copies() -> Iterator[list[ProcessInfo]]:
    """A process that holds 60 MiB, and three copies of it."""
    command = [sys.executable, "-I", "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        yield [ProcessInfo(pid, 0, "", psutil.Process(pid).memory_info().rss) for pid in pids]
        process.communicate()


def test_what_copies_of_a_process_share_counts_once(copies: list[ProcessInfo]) -> None:
    assert sum(info.rss for info in copies) > 4 * 60 * MEBIBYTE
    assert 60 * MEBIBYTE < memory_used(copies) < 2 * 60 * MEBIBYTE


def test_a_process_that_has_ended_holds_nothing() -> None:
    assert memory_used([ProcessInfo(2**22 + 1, 0, "", 60 * MEBIBYTE)]) == 0
