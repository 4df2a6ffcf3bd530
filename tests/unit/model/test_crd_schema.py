"""What of a model a CRD can say."""

from __future__ import annotations

import pytest
from pydantic import Field

from mcptasks.model.base import JsonObject, Model
from mcptasks.model.crd_schema import structural_schema


class SchemaPart(Model):
    """A part."""

    some_number: int = Field(1, ge=0, description="A number.")


class Whole(Model):
    """A whole."""

    part: SchemaPart | None = Field(None, description="Its part.")
    parts: list[SchemaPart] = Field(description="All of them.")
    free: JsonObject | None = Field(None, description="Anything.")
    labels: dict[str, str] | None = None


def test_references_are_inlined_and_optionals_are_what_they_hold() -> None:
    properties = structural_schema(Whole)["properties"]
    number = {"type": "integer", "description": "A number.", "default": 1, "minimum": 0}
    part = {"type": "object", "properties": {"someNumber": number}}
    assert properties["part"] == part | {"description": "Its part."}
    assert properties["parts"] == {
        "type": "array",
        "description": "All of them.",
        "items": part | {"description": "A part."},
    }
    assert properties["labels"] == {"type": "object", "additionalProperties": {"type": "string"}}


def test_free_json_keeps_all_its_fields_and_has_no_type() -> None:
    free = structural_schema(Whole)["properties"]["free"]
    assert free == {"description": "Anything.", "x-kubernetes-preserve-unknown-fields": True}


def test_a_union_is_refused() -> None:
    class Either(Model):
        value: int | str

    with pytest.raises(ValueError, match="no unions"):
        structural_schema(Either)
