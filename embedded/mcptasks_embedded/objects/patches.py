"""JSON merge patch, JSON patch and strategic merge patch.

Strategic merge:
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jsonpatch
import jsonpointer

from mcptasks_embedded.values.errors import ApiError, bad_request
from mcptasks_embedded.values.json_object import Json

#: Lists of objects that built-in kinds merge by key, by the name of the field (the API's `patchMergeKey`).
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "secrets": "name",
    "conditions": "type",
    "ownerReferences": "uid",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "podIPs": "ip",
    "addresses": "type",
}
#: Lists of plain values that are merged as sets.
MERGE_SETS = frozenset({"finalizers"})


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7386. Neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def json_patch(target: Json, operations: Any) -> Any:
    """JSON patch, RFC 6902. Raises ApiError 400 for a malformed patch, 422 for one that cannot be applied."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        return jsonpatch.apply_patch(target, operations, in_place=False)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(str(error)) from None
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", message) from None


def strategic(target: Any, patch: Any, field: str = "") -> Any:
    """Strategic merge patch of a built-in kind; `field` is the name of the field that holds `target`."""
    if isinstance(patch, dict):
        return _strategic_map(target if isinstance(target, dict) else {}, patch)
    if isinstance(patch, list):
        return _strategic_list(target if isinstance(target, list) else [], patch, field)
    return patch


def _strategic_map(target: Json, patch: Json) -> Json:
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(target)
    if (keep := patch.get("$retainKeys")) is not None:
        result = {key: value for key, value in result.items() if key in keep}
    for key, value in patch.items():
        _strategic_key(result, key, value)
    return result


def _strategic_key(result: Json, key: str, value: Any) -> None:
    if key.startswith("$deleteFromPrimitiveList/"):
        name = key.partition("/")[2]
        result[name] = [item for item in result.get(name) or [] if item not in value]
    elif key.startswith("$"):
        return
    elif value is None:
        result.pop(key, None)
    else:
        result[key] = strategic(result.get(key), value, key)


def _strategic_list(target: list[Any], patch: list[Any], field: str) -> list[Any]:
    if field in MERGE_SETS:
        return target + [item for item in patch if item not in target]
    key = merge_key(field, [*target, *patch])
    if key is None or any(_directive(item) == "replace" for item in patch):
        return [item for item in patch if _directive(item) != "replace"]
    result = list(target)
    for item in patch:
        _strategic_item(result, item, key)
    return result


def _directive(item: Any) -> str | None:
    return item.get("$patch") if isinstance(item, dict) else None


def _strategic_item(result: list[Any], item: Json, key: str) -> None:
    if key not in item:
        raise bad_request(f"map: {item} does not contain declared merge key: {key}")
    index = next((i for i, present in enumerate(result) if present.get(key) == item[key]), None)
    if item.get("$patch") == "delete":
        if index is not None:
            del result[index]
    elif index is None:
        result.append(_strategic_map({}, item))
    else:
        result[index] = _strategic_map(result[index], item)


def merge_key(field: str, items: Iterable[Any]) -> str | None:
    """The key by which the list `field` is merged, or None when it is replaced as a whole."""
    items = list(items)
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    if field == "ports":
        return "containerPort" if any("containerPort" in item for item in items) else "port"
    return MERGE_KEYS.get(field)
