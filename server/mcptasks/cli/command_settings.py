"""Settings from the environment, with the command's options on top, and readable errors for both."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.settings import PREFIX, Settings

MODULES_HELP = (
    "Your server: path/to/server.py[:name] or package.module[:name]. Further ones are mounted on the first, with a "
    "prefix as in geo=maps.py."
)
"""Help for the argument of the commands that run a server."""


def load_settings(**options: Any) -> Settings:
    """The settings; an option that is None leaves its setting to the environment.

    Raises:
        CliError: a setting has a value that cannot be. The message names its environment variable.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise invalid_settings(error, given) from error


def invalid_settings(error: ValidationError, options: dict[str, Any]) -> CliError:
    """One line for each wrong setting."""
    return usage_error("\n".join(_line(details, options) for details in error.errors()))


def _line(details: ErrorDetails, options: dict[str, Any]) -> str:
    name = str(details["loc"][0]) if details["loc"] else "settings"
    where = f"--{name.replace('_', '-')}" if name in options else f"{PREFIX}{name.upper()}"
    return f"{where}={details['input']}: {details['msg'].lower()}; see `mcptasks settings`"
