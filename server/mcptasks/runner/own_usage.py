"""What this process has used so far, with all that it has started and waited for."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mcptasks.model.task import TaskUsage

_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""What `ru_maxrss` counts (getrusage(2))."""

_STATUS = Path("/proc/self/status")


def own_usage(wall_seconds: float) -> TaskUsage:
    """Its usage; `wall_seconds` is how long it has run."""
    own, others = (resource.getrusage(which) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return TaskUsage(
        wall_seconds=round(wall_seconds, 3),
        cpu_seconds=round(cpu_seconds(own) + cpu_seconds(others), 3),
        peak_memory_bytes=max(_peak_bytes(own), peak_bytes(others)),
    )


def cpu_seconds(used: resource.struct_rusage) -> float:
    """In user and kernel mode."""
    return used.ru_utime + used.ru_stime


def peak_bytes(used: resource.struct_rusage) -> int:
    """Of the largest process among those that it is about."""
    return used.ru_maxrss * _MAXRSS_BYTES


def _peak_bytes(own: resource.struct_rusage) -> int:
    """Linux counts in `ru_maxrss` what the process was before it executed this program: as large as who started it."""
    with suppress(OSError, ValueError):
        return _high_water_mark(_STATUS.read_text().splitlines())
    return peak_bytes(own)


def _high_water_mark(lines: Iterable[str]) -> int:
    """VmHWM (proc_pid_status(5)) in bytes. Raises ValueError where there is none."""
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no VmHWM")
