"""The option of `dev` and `demo` that says how tasks come to run."""

from __future__ import annotations

import sys

COLD_HELP = "Start a Pod for each task, as a template with `executor: Job` does, instead of keeping workers ready."


def workers_can_run() -> bool:
    """Whether workers run on this system: they need Linux's child subreapers."""
    return sys.platform == "linux"
