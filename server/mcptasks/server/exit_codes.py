"""The exit codes of the server, and the errors that lead to them."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


class StartError(Exception):
    """The server cannot start as configured; the message says what to change."""

    exit_code = EXIT_CONFIG


class ImportFailedError(StartError):
    """The user's module raised while it was imported: a fault in its code, not in how the server is configured."""

    exit_code = EXIT_FAILED
