"""A custom resource with one of everything that the product's own CRDs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.contract.client import Json

FROZEN = "self.frozen == oldSelf.frozen"
SMALL_OR_NAMED = "self.size < 100 || has(self.name)"
NOT_SEVEN = "self < 7.0 || self >= 8.0"
STICKY = (
    "!has(oldSelf.status) || !has(oldSelf.status.phase) || oldSelf.status.phase != 'Done' || "
    "(has(self.status) && has(self.status.phase) && self.status.phase == 'Done')"
)


def _sticky(new: Any, old: Any) -> bool:
    was = (old.get("status") or {}).get("phase")
    return was != "Done" or (new.get("status") or {}).get("phase") == "Done"


RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    FROZEN: lambda new, old: new.get("frozen") == old.get("frozen"),
    SMALL_OR_NAMED: lambda new, old: new["size"] < 100 or "name" in new,
    NOT_SEVEN: lambda new, old: new < 7 or new >= 8,
    STICKY: _sticky,
}

_CONDITION = {
    "type": "object",
    "required": ["type", "status"],
    "properties": {"type": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"}},
}
_SPEC: Json = {
    "type": "object",
    "description": "What is wanted.",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "How big."},
        "name": {"type": "string", "minLength": 2, "maxLength": 8, "pattern": "^[a-z]+$"},
        "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
        "frozen": {"type": "string", "default": ""},
        "ratio": {
            "type": "number",
            "x-kubernetes-validations": [{"rule": NOT_SEVEN, "message": "ratio is not seven"}],
        },
        "tags": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "when": {"type": "string", "format": "date-time"},
        "maybe": {"type": "string", "nullable": True},
        "free": {"x-kubernetes-preserve-unknown-fields": True},
    },
    "x-kubernetes-validations": [
        {"rule": FROZEN, "message": "frozen is immutable"},
        {
            "rule": SMALL_OR_NAMED,
            "message": "a big widget needs a name",
            "reason": "FieldValueRequired",
            "fieldPath": ".name",
        },
    ],
}
_STATUS: Json = {
    "type": "object",
    "properties": {
        "phase": {"type": "string"},
        "count": {"type": "integer"},
        "conditions": {
            "type": "array",
            "items": _CONDITION,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    },
}
_COLUMNS: list[Json] = [
    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def widget_crd(group: str) -> Json:
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": _SPEC,
        "status": _STATUS,
    }
    rule = {"rule": STICKY, "message": "a widget that is done stays done"}
    schema = {
        "type": "object",
        "description": "A widget.",
        "required": ["spec"],
        "properties": properties,
        "x-kubernetes-validations": [rule],
    }
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": _COLUMNS,
        "selectableFields": [{"jsonPath": ".spec.color"}, {"jsonPath": ".status.phase"}],
    }
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wdg"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
