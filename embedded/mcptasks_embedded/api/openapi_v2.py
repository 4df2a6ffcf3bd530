"""OpenAPI v3 schemas and operations as OpenAPI v2 (Swagger) has them.

Schemas lose what v2 has no word for, and objects that keep unknown fields lose their properties: kubectl treats every
field that is not listed as an error. The API server publishes custom resources in the same way.
"""

from __future__ import annotations

from mcptasks_embedded.values.json_object import Json

_V3, _V2 = "#/components/schemas/", "#/definitions/"
_SCALARS = (
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "type",
    "uniqueItems",
)


def schema(value: Json) -> Json:
    """An OpenAPI v3 schema as v2."""
    reference = _reference(value)
    if reference is not None:
        described = {"description": value["description"]} if "description" in value else {}
        return {**described, "$ref": reference.replace(_V3, _V2)}
    result = {name: item for name, item in value.items() if name in _SCALARS or name.startswith("x-")}
    if _is_free(value):
        for name in ("type", "format", "required"):
            result.pop(name, None)
        return result
    return result | _children(value)


def _reference(value: Json) -> str | None:
    [first, *more] = value.get("allOf") or [value]
    found: str | None = None if more else first.get("$ref")
    return found


def _is_free(value: Json) -> bool:
    """Whether v2 cannot express the schema."""
    return bool(
        value.get("x-kubernetes-preserve-unknown-fields")
        or value.get("x-kubernetes-int-or-string")
        or value.get("nullable")
        or (value.get("type") == "array" and "items" not in value)
    )


def _children(value: Json) -> Json:
    result: Json = {}
    if "items" in value:
        result["items"] = schema(value["items"])
    if "properties" in value:
        result["properties"] = {name: schema(item) for name, item in value["properties"].items()}
    additional = value.get("additionalProperties")
    if additional is not None:
        result["additionalProperties"] = schema(additional) if isinstance(additional, dict) else additional
    return result


def path(item: Json) -> Json:
    """The operations of one OpenAPI v3 path as v2."""
    return {verb: _operation(operation) for verb, operation in item.items()}


def _operation(operation: Json) -> Json:
    parameters = [
        {**{name: value for name, value in parameter.items() if name != "schema"}, **parameter["schema"]}
        for parameter in operation["parameters"]
    ]
    responses = {code: {"description": reply["description"]} for code, reply in operation["responses"].items()}
    return {**operation, "parameters": parameters, "responses": responses}
