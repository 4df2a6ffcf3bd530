"""Server-side apply: the applied configuration is merged, and each applier's fields are remembered.

Unlike the real API server, only fields set by *apply* are tracked: fields written by create, update and patch have no
owner and never conflict. https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcptasks_embedded.objects.patches import MERGE_SETS, merge_key
from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json

_NOT_OWNED = frozenset({"apiVersion", "kind"})
_NOT_OWNED_METADATA = frozenset({"name", "namespace", "managedFields", "resourceVersion", "uid", "creationTimestamp"})


@dataclass(frozen=True, slots=True)
class Applier:
    """Who applies: the request's fieldManager, whether it takes over foreign fields, and to which subresource."""

    manager: str
    force: bool
    subresource: str = ""


def list_key(field: str, items: Iterable[Any], schema: Mapping[str, Any] | None) -> str | None:
    """The merge key of a list: from the CRD's schema (`x-kubernetes-list-type: map`) or of a built-in field."""
    if schema is None:
        return merge_key(field, items)
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return str(keys[0]) if schema.get("x-kubernetes-list-type") == "map" and keys else None


def child(schema: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    if schema is None:
        return None
    found = (schema.get("properties") or {}).get(name)
    return found if isinstance(found, dict) else {}


def merge_applied(live: Any, applied: Any, schema: Mapping[str, Any] | None, field: str = "") -> Any:
    """`applied` laid over `live`. Neither is changed."""
    if isinstance(applied, dict) and isinstance(live, dict):
        result = dict(live)
        for name, value in applied.items():
            inner = None if name == "metadata" and not field else child(schema, name)
            result[name] = merge_applied(live.get(name), value, inner, name) if name in live else value
        return result
    if isinstance(applied, list) and isinstance(live, list):
        return _merge_lists(live, applied, schema, field)
    return applied


def _merge_lists(live: list[Any], applied: list[Any], schema: Mapping[str, Any] | None, field: str) -> list[Any]:
    is_set = (schema or {}).get("x-kubernetes-list-type") == "set" or (schema is None and field in MERGE_SETS)
    if is_set:
        return live + [item for item in applied if item not in live]
    key = list_key(field, [*live, *applied], schema)
    if key is None:
        return applied
    result = list(live)
    for item in applied:
        index = next((i for i, present in enumerate(result) if present.get(key) == item.get(key)), None)
        if index is None:
            result.append(item)
        else:
            result[index] = merge_applied(result[index], item, (schema or {}).get("items") if schema else None)
    return result


def fields_of(applied: Any, schema: Mapping[str, Any] | None, field: str = "", top: bool = True) -> Json:
    """The `fieldsV1` set of an applied configuration."""
    result: Json = {}
    if isinstance(applied, dict):
        for name, value in applied.items():
            if (top and name in _NOT_OWNED) or (field == "metadata" and name in _NOT_OWNED_METADATA):
                continue
            inner = None if name == "metadata" and top else child(schema, name)
            result[f"f:{name}"] = fields_of(value, inner, name, top=False)
        if result.get("f:metadata") == {}:
            del result["f:metadata"]
    elif isinstance(applied, list) and (key := list_key(field, applied, schema)):
        items = (schema or {}).get("items") if schema is not None else None
        for item in applied:
            result[_item_name(key, item)] = {".": {}, **fields_of(item, items, top=False)}
    return result


def _item_name(key: str, item: Json) -> str:
    return f"k:{json_values.dumps({key: item.get(key)}).decode()}"


def without(live: Any, dropped: Json) -> Any:
    """`live` without the leaves of the field set `dropped`."""
    if isinstance(live, dict):
        return _map_without(live, dropped)
    if isinstance(live, list):
        return _list_without(live, dropped)
    return live


def _map_without(live: Json, dropped: Json) -> Json:
    result = dict(live)
    for name, inner in dropped.items():
        field = name[2:]
        if not name.startswith("f:") or field not in result:
            continue
        kept = without(result[field], inner) if inner else None
        if kept is None or kept in ({}, []):
            del result[field]
        else:
            result[field] = kept
    return result


def _list_without(live: list[Any], dropped: Json) -> list[Any]:
    keys = {name: json_values.loads(name[2:].encode()) for name in dropped if name.startswith("k:")}
    result = []
    for item in live:
        name = next((n for n, key in keys.items() if key.items() <= item.items()), None)
        if name is None:
            result.append(item)
        elif "." not in dropped[name]:
            result.append(without(item, dropped[name]))
    return result


def minus(left: Json, right: Json) -> Json:
    """The fields of `left` that are not in `right`."""
    result: Json = {}
    for name, inner in left.items():
        if name not in right:
            result[name] = inner
        elif inner and (kept := minus(inner, right[name])):
            result[name] = kept
    return result


def overlap(left: Json, right: Json) -> list[str]:
    """Paths of the leaves that both sets have, as conflicts print them (`.spec.x`)."""
    paths: list[str] = []
    for name, inner in left.items():
        if name not in right or name == ".":
            continue
        text = f".{name[2:]}" if name.startswith("f:") else f"[{name[2:]}]"
        if inner and right[name]:
            paths += [text + path for path in overlap(inner, right[name])]
        elif not inner and not right[name]:
            paths.append(text)
    return paths


def _owner_of(entry: Json) -> tuple[str, str]:
    return entry["manager"], entry.get("subresource", "")


def check_conflicts(live: Json, applied: Json, mine: Json, applier: Applier) -> list[str]:
    """Messages `conflict with "<manager>": .path` for fields of other appliers that `applied` would change."""
    conflicts = []
    for entry in live["metadata"].get("managedFields") or ():
        if _owner_of(entry) == (applier.manager, applier.subresource):
            continue
        paths = overlap(mine, entry.get("fieldsV1") or {})
        differing = [path for path in paths if not _same_at(live, applied, path)]
        conflicts += [f'conflict with "{entry["manager"]}": {path}' for path in differing]
    return conflicts


def _same_at(live: Any, applied: Any, path: str) -> bool:
    for part in path.strip(".").split("."):
        if "[" in part:
            return False
        live = live.get(part) if isinstance(live, dict) else None
        applied = applied.get(part) if isinstance(applied, dict) else None
    return json_values.equal_as_encoded(live, applied)


def conflict_error(conflicts: list[str]) -> ApiError:
    count = "1 conflict" if len(conflicts) == 1 else f"{len(conflicts)} conflicts"
    text = conflicts[0] if len(conflicts) == 1 else "\n- ".join(["s:", *conflicts])[1:]
    message = f"Apply failed with {count}: {text}"
    causes = [
        {"reason": "FieldManagerConflict", "message": c.split(": ")[0], "field": c.split(": ")[1]} for c in conflicts
    ]
    return ApiError(409, "Conflict", message, {"causes": causes})


def apply(live: Json | None, applied: Json, schema: Mapping[str, Any] | None, who: Applier, moment: str) -> Json:
    """The object after `applied` was applied. Raises ApiError 409 on a conflict without force."""
    mine = fields_of(applied, schema)
    if live is None:
        merged: Json = applied
        entries: list[Json] = []
    else:
        if not who.force and (conflicts := check_conflicts(live, applied, mine, who)):
            raise conflict_error(conflicts)
        entries = list(live["metadata"].get("managedFields") or ())
        merged = merge_applied(_without_given_up(live, entries, mine, who), applied, schema)
    entries = _new_entries(entries, mine, who, str(applied.get("apiVersion", "")), moment)
    return {**merged, "metadata": {**(merged.get("metadata") or {}), "managedFields": entries}}


def _without_given_up(live: Json, entries: list[Json], mine: Json, who: Applier) -> Json:
    before: Json = next((e["fieldsV1"] for e in entries if _owner_of(e) == (who.manager, who.subresource)), {})
    given_up = minus(before, mine)
    for entry in entries:
        if _owner_of(entry) != (who.manager, who.subresource):
            given_up = minus(given_up, entry.get("fieldsV1") or {})
    return _map_without(live, given_up) if given_up else live


def _new_entries(entries: list[Json], mine: Json, who: Applier, api_version: str, moment: str) -> list[Json]:
    entry: Json = {"manager": who.manager, "operation": "Apply", "apiVersion": api_version, "time": moment}
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": mine}
    if who.subresource:
        entry["subresource"] = who.subresource
    result = []
    for old in entries:
        if _owner_of(old) == _owner_of(entry):
            if json_values.equal_as_encoded(old.get("fieldsV1"), mine):
                entry["time"] = old["time"]
            continue
        kept = minus(old.get("fieldsV1") or {}, mine) if who.force else old.get("fieldsV1") or {}
        if kept:
            result.append({**old, "fieldsV1": kept})
    return [*result, entry]
