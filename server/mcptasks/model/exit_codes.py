"""What the exit codes of commands, server, dashboard and operator mean; the runner's are in `gateway.contract`."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Whoever starts a process again may do so after `FAILED`, and need not try after `USAGE`."""

    OK = 0
    FAILED = 1
    USAGE = 2
    """Options, settings or a module that cannot work: somebody has to change them."""
    INTERRUPTED = 130
