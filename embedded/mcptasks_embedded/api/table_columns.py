"""Columns of Tables: their definitions and how cells are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mcptasks_embedded.api import json_path
from mcptasks_embedded.values import times
from mcptasks_embedded.values.json_object import Json

Cell = str | int | float | bool | None
Getter = Callable[[Json, datetime], Cell]
NONE = "<none>"
UNKNOWN = "<unknown>"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column: its definition, and `get`, which computes a cell."""

    name: str
    get: Getter
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def definition(self) -> Json:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description or self.name,
            "priority": self.priority,
        }


def age(stamp: str | None, now: datetime) -> str:
    if not stamp:
        return UNKNOWN
    return times.human_duration((now - times.parse(stamp)).total_seconds())


def metadata_text(name: str) -> Getter:
    return lambda obj, now: obj["metadata"].get(name, "")


def _age(obj: Json, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def value_at(path: str, default: Cell = "") -> Getter:
    def get(obj: Json, now: datetime) -> Cell:
        found = json_path.find(obj, path)
        return found[0] if found else default

    return get


def count_of(*fields: str) -> Getter:
    return lambda obj, now: sum(len(obj.get(field) or ()) for field in fields)


NAME = TableColumn("Name", metadata_text("name"), format="name", description="Name must be unique within a namespace.")
AGE = TableColumn("Age", _age)
CREATED = TableColumn("Created At", metadata_text("creationTimestamp"), type="date")
