"""What benchmarks read of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from benchmarks.process_usage import cpu_of, known_inside_as, private_mib, processes, pss_mib, with_descendants

WORK = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"])
print(flush=True)
input()
"""


@contextmanager
def running(code: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.communicate("\n")


def test_memory_is_that_of_all_processes_that_are_there() -> None:
    own = processes([os.getpid(), 2**22 + 1])
    assert own == [psutil.Process()]
    assert 0 < private_mib(own) <= pss_mib(own)


def test_cpu_is_with_that_of_children_that_have_ended_where_asked_for() -> None:
    with running(WORK) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = processes(with_descendants(process.pid))
        assert cpu_of(found, with_ended_children=True) > cpu_of(found) > 0
    assert cpu_of(found) == 0
    assert with_descendants(process.pid) == []


def test_a_process_is_found_by_its_id_inside() -> None:
    assert known_inside_as([os.getppid(), os.getpid()], os.getpid()) == os.getpid()
    assert known_inside_as([os.getppid()], os.getpid()) is None
