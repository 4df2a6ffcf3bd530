"""Whether the kernel has ended a process of this container because its memory was used up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MEMORY_EVENTS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
"""Of the container's own cgroup: version 2, where its processes end together, and version 1, where one of them ends."""


def oom_kills(files: Sequence[Path] = MEMORY_EVENTS) -> int:
    """How many processes it has ended so far; 0 where nothing says so."""
    for file in files:
        try:
            return parsed_oom_kills(file.read_text())
        except OSError:
            continue
    return 0


def parsed_oom_kills(text: str) -> int:
    """The `oom_kill` of either file."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.isdigit():
            return int(value)
    return 0
