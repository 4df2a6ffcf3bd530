"""HTML from templates: everything is escaped there, and nothing here makes HTML itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from mcptasks.dashboard.plots import duration, number
from mcptasks.diagnostics.visible_text import visible
from mcptasks.model.lifecycle import timestamp


class PlaceInHtml(str):
    """A place in a page, which templates write as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


FORM_TOKEN_PLACE = PlaceInHtml("<form-token>")
"""Stands in HTML that several viewers share where each has a token of their own.

What others have written has no `<` left in HTML, so that it cannot say this.
"""

MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class StaticFile:
    """A file that pages load; `path` changes with its content, so that browsers keep it for good."""

    name: str
    data: bytes
    path: str

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES["." + self.name.rpartition(".")[2]]


def static_files() -> dict[str, StaticFile]:
    """The style sheet, the scripts and the icon, by name."""
    found = {}
    for entry in (files(__package__) / "static").iterdir():
        if any(entry.name.endswith(suffix) for suffix in MEDIA_TYPES):
            data = entry.read_bytes()
            digest = hashlib.sha256(data).hexdigest()[:12]
            found[entry.name] = StaticFile(entry.name, data, f"/static/{digest}/{entry.name}")
    return found


def clock_time(moment: datetime | None) -> str:
    """The time of day in UTC, with the date and seconds, for people; it says that it is UTC."""
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def pretty_json(value: object) -> str:
    """JSON as people read it."""
    return json.dumps(value, ensure_ascii=False, indent=2)


@dataclass(frozen=True)
class Renderer:
    """Renders templates of the package."""

    static: Mapping[str, StaticFile] = field(default_factory=static_files)
    environment: Environment = field(
        default_factory=lambda: Environment(
            loader=PackageLoader(__package__ or ""),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
    )

    def __post_init__(self) -> None:
        self.environment.filters.update(
            clock=clock_time,
            iso=lambda moment: "" if moment is None else timestamp(moment),
            duration=duration,
            number=number,
            visible=lambda text: visible(str(text)),
            pretty=pretty_json,
            percent=lambda share: f"{100 * share:.2f}",
            seconds=lambda value: duration(timedelta(seconds=value)),
        )
        self.environment.globals.update(static=lambda name: self.static[name].path, form_token_place=FORM_TOKEN_PLACE)

    def render(self, template: str, **values: object) -> str:
        """The HTML of a template."""
        return self.environment.get_template(template).render(**values)
