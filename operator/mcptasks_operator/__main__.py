"""`python -m mcptasks_operator`: the operator with settings from the environment."""

from __future__ import annotations

import sys

from mcptasks.settings import Settings
from mcptasks_operator.process.app import run


def main() -> int:
    """Run the operator; returns the exit code."""
    return run(Settings())


if __name__ == "__main__":
    sys.exit(main())
