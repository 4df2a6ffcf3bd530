"""CPU and memory of processes of this machine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def processes(pids: Iterable[int]) -> list[psutil.Process]:
    """Those of the processes that are there."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def with_descendants(pid: int) -> list[int]:
    """The process and all that it has started, as far as they are there."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    return []


def cpu_of(found: Iterable[psutil.Process], *, with_ended_children: bool = False) -> float:
    """CPU seconds so far, together."""
    total = 0.0
    for process in found:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[: 4 if with_ended_children else 2])
    return total


def pss_mib(found: Iterable[psutil.Process]) -> float:
    """Memory in MiB: what a process shares with others counts for each by its part."""
    return sum(process.memory_full_info().pss for process in found) / 2**20


def private_mib(found: Iterable[psutil.Process]) -> float:
    """Memory in MiB that goes when the processes go."""
    return sum(process.memory_full_info().uss for process in found) / 2**20


def known_inside_as(pids: Iterable[int], inner: int) -> int | None:
    """Which of the processes has that id where it runs, in its own pid namespace."""
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            ids = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [str(pid)])
            if ids[-1] == str(inner):
                return pid
    return None
