"""`mcptasks settings`: the reference of all settings, made from the settings class."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mcptasks.settings import PREFIX, Settings


class SettingsFormat(StrEnum):
    """How to print the reference."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


@dataclass(frozen=True)
class SettingEntry:
    """One setting, as the reference shows it."""

    variable: str
    default: str | None
    description: str


def command(
    output: Annotated[
        SettingsFormat, typer.Option("--output", "-o", help="text, json or markdown.")
    ] = SettingsFormat.TEXT,
) -> None:
    """Print all settings, with their environment variables and defaults.

    \b
    Example:
      mcptasks settings -o markdown > settings.md
    """
    typer.echo(_RENDERERS[output](reference()))


def reference() -> list[SettingEntry]:
    """All settings, in the order of the class."""
    return [_setting(name, field) for name, field in Settings.model_fields.items()]


def _setting(name: str, field: FieldInfo) -> SettingEntry:
    default = field.get_default(call_default_factory=True)
    return SettingEntry(f"{PREFIX}{name.upper()}", _as_variable(default), field.description or "")


def _as_variable(value: Any) -> str | None:
    """A default as one would write it into the environment; None where there is none."""
    match value:
        case None:
            return None
        case _ if value is PydanticUndefined:
            return None
        case bool():
            return str(value).lower()
        case list():
            return " ".join(map(str, value)) or None
        case _:
            return str(value)


def _text(settings: list[SettingEntry]) -> str:
    return "\n".join(
        f"{setting.variable}{'' if setting.default is None else f'={setting.default}'}\n    {setting.description}"
        for setting in settings
    )


_TITLE = ("# Settings", "", "Environment variables of server, gateway, operator and dashboard.", "")


def _markdown(settings: list[SettingEntry]) -> str:
    rows = [
        f"| `{setting.variable}` | {'' if setting.default is None else f'`{setting.default}`'} "
        f"| {setting.description.replace('|', chr(92) + '|')} |"
        for setting in settings
    ]
    return "\n".join([*_TITLE, "| Variable | Default | Meaning |", "|---|---|---|", *rows])


def _json(settings: list[SettingEntry]) -> str:
    return json.dumps([asdict(setting) for setting in settings], indent=2)


_RENDERERS = {SettingsFormat.TEXT: _text, SettingsFormat.JSON: _json, SettingsFormat.MARKDOWN: _markdown}
