"""Whether the kernel has ended a process of this container because its memory was used up."""

from __future__ import annotations

from pathlib import Path

MEMORY_EVENTS = Path("/sys/fs/cgroup/memory.events")


def oom_kills(file: Path = MEMORY_EVENTS) -> int:
    """How many processes it has ended so far, by the container's own cgroup (version 2); 0 where nothing says so."""
    try:
        return parsed_oom_kills(file.read_text())
    except OSError:
        return 0


def parsed_oom_kills(text: str) -> int:
    """The `oom_kill` of a `memory.events` file."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.isdigit():
            return int(value)
    return 0
