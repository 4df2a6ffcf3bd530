"""`meta.k8s.io/v1` Table: what `kubectl get` prints, computed by the server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mcptasks_embedded.api import json_path
from mcptasks_embedded.api.builtin_columns import BUILTIN_COLUMNS
from mcptasks_embedded.api.table_columns import AGE, NAME, Cell, Getter, TableColumn, age
from mcptasks_embedded.objects.object_meta import partial_object
from mcptasks_embedded.store.changes import StoreEntry
from mcptasks_embedded.values import json_values, times
from mcptasks_embedded.values.api_kind import ApiKind, PrinterColumn
from mcptasks_embedded.values.json_object import Json


def _custom_column(column: PrinterColumn) -> TableColumn:
    get = _custom_cell(column)
    return TableColumn(column.name, get, column.type, column.format, column.priority, column.description)


def _custom_cell(column: PrinterColumn) -> Getter:
    def get(obj: Json, now: datetime) -> Cell:
        found = json_path.find(obj, column.path)
        return _typed(found[0], column.type, now) if found else None

    return get


def _typed(value: Any, kind: str, now: datetime) -> Cell:
    """A cell of the column's type, or None where the value does not fit, as in apiextensions' table converter."""
    if value is None:
        return None
    if kind == "date":
        try:
            return age(str(value), now)
        except ValueError:
            return "<invalid>"
    if kind in ("integer", "number"):
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return (int(value) if kind == "integer" else value) if fits else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    return value if isinstance(value, str) else json_values.dumps(value).decode()


def columns(kind: ApiKind) -> Sequence[TableColumn]:
    if kind.columns:
        return (NAME, *(_custom_column(column) for column in kind.columns))
    return BUILTIN_COLUMNS.get(kind.storage, (NAME, AGE))


def definitions(kind: ApiKind) -> list[Json]:
    return [column.definition() for column in columns(kind)]


def row(kind: ApiKind, obj: Json, now: datetime, include: str = "Metadata") -> Json:
    """One row; `include` is the request's includeObject: None, Metadata or Object."""
    result: Json = {"cells": [column.get(obj, now) for column in columns(kind)]}
    if include == "Metadata":
        result["object"] = partial_object(obj)
    elif include == "Object":
        result["object"] = obj
    return result


def table(
    kind: ApiKind, entries: Sequence[StoreEntry], metadata: Json, include: str, with_columns: bool = True
) -> Json:
    now = times.now()
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions(kind) if with_columns else [],
        "rows": [row(kind, entry.obj, now, include) for entry in entries],
    }
