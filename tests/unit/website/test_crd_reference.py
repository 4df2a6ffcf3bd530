"""The reference of the custom resources has every field."""

from __future__ import annotations

from tests.unit.repository.sources import ROOT
from website.crd_reference import CrdField, fields, reference


def test_the_reference_of_custom_resources_is_up_to_date() -> None:
    assert (ROOT / "docs" / "crds.md").read_text() == reference(), "run `make generate`"


def test_fields_are_listed_with_those_of_their_parts() -> None:
    schema = {
        "required": ["names"],
        "properties": {
            "names": {
                "type": "array",
                "description": "Who.",
                "items": {"type": "object", "properties": {"first": {"type": "string", "enum": ["a", "b"]}}},
            },
            "count": {"type": "integer", "minimum": 0, "maximum": 3, "default": False},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "value": {"x-kubernetes-preserve-unknown-fields": True},
        },
    }
    assert list(fields(schema, "spec")) == [
        CrdField("spec.names", "list of object", True, "Who."),
        CrdField("spec.names[].first", "string", False, "One of `a`, `b`."),
        CrdField("spec.count", "integer", False, "From 0 to 3. Default: `false`."),
        CrdField("spec.labels", "map to string", False, ""),
        CrdField("spec.value", "any", False, ""),
    ]
