"""`python -m mcptasks_operator`: the operator with settings from the environment."""

from __future__ import annotations

import sys

from mcptasks.logs import configure_logging
from mcptasks.settings import Settings
from mcptasks_operator.app import run


def main() -> int:
    """Run the operator; returns the exit code."""
    settings = Settings()
    configure_logging(settings.log_format, settings.log_level)
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
