"""The errors that end the server or the dashboard at their start, with their exit codes."""

from __future__ import annotations

from mcptasks.model.exit_codes import ExitCode


class StartError(Exception):
    """The server cannot start as configured; the message says what to change."""

    exit_code = ExitCode.USAGE


class ImportFailedError(StartError):
    """The user's module raised while it was imported: a fault in its code, not in how the server is configured."""

    exit_code = ExitCode.FAILED
