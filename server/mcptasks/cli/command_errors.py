"""How commands fail: one line on standard error that names the cause and the way out, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mcptasks.model.exit_codes import ExitCode


class CliError(Exception):
    """Ends the command with a message on standard error."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def usage_error(message: str) -> CliError:
    """The error for options or settings that cannot work."""
    return CliError(message, ExitCode.USAGE)


@contextmanager
def as_cli_error(*kinds: type[Exception], exit_code: ExitCode = ExitCode.FAILED) -> Iterator[None]:
    """End the command with the message of an exception of these kinds."""
    try:
        yield
    except kinds as error:
        raise CliError(str(error), exit_code) from error
