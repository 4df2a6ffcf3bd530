"""`metadata` of objects: names, what clients may set, validation."""

from __future__ import annotations

import random
import re
from typing import Any
from uuid import uuid4

from mcptasks_embedded.values import json_values, times
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.errors import FieldError, bad_request, forbidden_field, invalid_value, required
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import RBAC_GROUP

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_GENERATED_BASE = 58
_ANNOTATION_LIMIT = 256 * 1024
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_MESSAGE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_FIELDS = frozenset(
    [
        "name",
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ]
)
_OMIT_EMPTY = ("labels", "annotations", "ownerReferences", "finalizers", "managedFields", "generateName")
_SYSTEM = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


def random_suffix(length: int = 5) -> str:
    """Characters that Kubernetes uses in generated names: no vowels, no look-alikes."""
    return "".join(random.choices(_SUFFIX_LETTERS, k=length))


def generate_name(base: str) -> str:
    return base[:_GENERATED_BASE] + random_suffix()


def clean(metadata: Json, unknown: list[str]) -> Json:
    """Known fields only, empty ones left out. Raises ApiError 400 for values of a wrong type."""
    unknown += [f"metadata.{name}" for name in metadata if name not in _FIELDS and name != "selfLink"]
    result = {name: value for name, value in metadata.items() if name in _FIELDS and value is not None}
    for name in _OMIT_EMPTY:
        if name in result and not result[name]:
            del result[name]
    for name in ("labels", "annotations"):
        _check_strings(result.get(name) or {}, name)
    return result


def _check_strings(values: Any, name: str) -> None:
    if not isinstance(values, dict):
        raise bad_request(f"json: cannot unmarshal {_go_type(values)} into Go struct field ObjectMeta.metadata.{name}")
    for value in values.values():
        if not isinstance(value, str):
            where = f"Go struct field ObjectMeta.metadata.{name} of type string"
            raise bad_request(f"json: cannot unmarshal {_go_type(value)} into {where}")


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def for_create(metadata: Json, kind: ApiKind, namespace: str) -> Json:
    result = {name: value for name, value in metadata.items() if name not in (*_SYSTEM, "resourceVersion")}
    if not result.get("name") and result.get("generateName"):
        result["name"] = generate_name(result["generateName"])
    if kind.namespaced:
        result["namespace"] = namespace
    else:
        result.pop("namespace", None)
    result["uid"] = str(uuid4())
    result["creationTimestamp"] = times.stamp()
    if kind.generation:
        result["generation"] = 1
    return result


def for_update(metadata: Json, old: Json) -> Json:
    """What a client wrote, with the fields that only the system sets taken from the stored object."""
    result = dict(metadata)
    for name in (*_SYSTEM, "name", "namespace", "generateName", "resourceVersion"):
        if name in old:
            result[name] = old[name]
        else:
            result.pop(name, None)
    return result


def metadata_errors(metadata: Json, kind: ApiKind, old: Json | None) -> list[FieldError]:
    found = _name_errors(metadata, kind) if old is None else _finalizer_errors(metadata, old)
    for key, value in (metadata.get("labels") or {}).items():
        if not _valid_key(key):
            found.append(invalid_value("metadata.labels", key, _KEY_MESSAGE))
        if len(value) > 63:
            found.append(invalid_value("metadata.labels", value, "must be no more than 63 bytes"))
        elif not _LABEL_VALUE.fullmatch(value):
            found.append(invalid_value("metadata.labels", value, _LABEL_VALUE_MESSAGE))
    return found + _annotation_errors(metadata.get("annotations") or {}) + _owner_errors(metadata)


def _name_errors(metadata: Json, kind: ApiKind) -> list[FieldError]:
    name = metadata.get("name", "")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    if kind.group == RBAC_GROUP:
        return []
    if kind.plural == "namespaces" and len(name) > 63:
        return [invalid_value("metadata.name", name, "must be no more than 63 bytes")]
    if len(name) > 253:
        return [invalid_value("metadata.name", name, "must be no more than 253 bytes")]
    if not _SUBDOMAIN.fullmatch(name):
        return [invalid_value("metadata.name", name, _SUBDOMAIN_MESSAGE)]
    return []


def _finalizer_errors(metadata: Json, old: Json) -> list[FieldError]:
    if "deletionTimestamp" not in old:
        return []
    added = [item for item in metadata.get("finalizers") or () if item not in (old.get("finalizers") or ())]
    if not added:
        return []
    listed = ", ".join(f'"{item}"' for item in added)
    detail = "no new finalizers can be added if the object is being deleted, found new finalizers "
    return [forbidden_field("metadata.finalizers", f"{detail}[]string{{{listed}}}")]


def _valid_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and not (_SUBDOMAIN.fullmatch(prefix) and len(prefix) <= 253):
        return False
    return len(name) <= 63 and bool(_QUALIFIED.fullmatch(name))


def _annotation_errors(annotations: Json) -> list[FieldError]:
    found: list[FieldError] = []
    bad = [key for key in annotations if not _valid_key(key.lower())]
    found += [invalid_value("metadata.annotations", key, _KEY_MESSAGE) for key in bad]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > _ANNOTATION_LIMIT:
        detail = f"may not be more than {_ANNOTATION_LIMIT} bytes"
        found.append(FieldError("FieldValueTooLong", "metadata.annotations", detail))
    return found


def _owner_errors(metadata: Json) -> list[FieldError]:
    found: list[FieldError] = []
    for index, owner in enumerate(metadata.get("ownerReferences") or ()):
        missing = [name for name in ("apiVersion", "kind", "name", "uid") if not owner.get(name)]
        path = f"metadata.ownerReferences[{index}]"
        found += [invalid_value(f"{path}.{name}", "", f"{name} must not be empty") for name in missing]
    return found


def partial_object(obj: Json) -> Json:
    """The object's metadata alone, as `PartialObjectMetadata`."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def controller_of(obj: Json) -> Json | None:
    """The ownerReference with `controller: true`."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return dict(owner)
    return None


def owner_reference(api_version: str, kind: str, owner: Json) -> Json:
    metadata = owner["metadata"]
    reference: Json = {"apiVersion": api_version, "kind": kind, "name": metadata["name"], "uid": metadata["uid"]}
    return {**reference, "controller": True, "blockOwnerDeletion": True}


def spec_changed(new: Json, old: Json, status_separate: bool) -> bool:
    """Whether anything changed that `metadata.generation` counts."""
    ignored = {"metadata", "apiVersion", "kind"} | ({"status"} if status_separate else set())
    names = (new.keys() | old.keys()) - ignored
    return any(not json_values.equal_as_encoded(new.get(name), old.get(name)) for name in names)
