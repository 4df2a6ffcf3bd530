"""Models as OpenAPI v3 structural schemas, the dialect that a CRD allows."""

from __future__ import annotations

from pydantic import BaseModel

from mcptasks.model.base import JsonObject


def structural_schema(model: type[BaseModel]) -> JsonObject:
    """The model as an OpenAPI v3 structural schema, the dialect that a CRD allows.

    Raises:
        ValueError: the model uses something that a structural schema cannot say, such as a union of types.
    """
    schema = model.model_json_schema(by_alias=True)
    return _structural(schema, schema.get("$defs", {}))


_KEPT = (
    "type",
    "description",
    "enum",
    "format",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "required",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
)


def _structural(node: JsonObject, definitions: JsonObject) -> JsonObject:
    node = _inlined(node, definitions)
    result = {key: node[key] for key in _KEPT if key in node}
    if result.get("default", ...) is None:
        del result["default"]
    if "const" in node:
        result["enum"] = [node["const"]]
    if "properties" in node:
        result["properties"] = {key: _structural(value, definitions) for key, value in node["properties"].items()}
    elif isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    elif node.get("type") == "object" or "type" not in node:
        # Without a type: the API server's equality of untyped values is the sound one (see `cel_rules`).
        result.pop("type", None)
        result["x-kubernetes-preserve-unknown-fields"] = True
    if "items" in node:
        result["items"] = _structural(node["items"], definitions)
    return result


def _inlined(node: JsonObject, definitions: JsonObject) -> JsonObject:
    """The node with references and optionals replaced by what they stand for."""
    while True:
        if "$ref" in node:
            target = definitions[node["$ref"].rsplit("/", 1)[-1]]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        elif "anyOf" in node:
            options = [option for option in node["anyOf"] if option.get("type") != "null"]
            if len(options) != 1:
                raise ValueError(f"a structural schema has no unions: {node['anyOf']}")
            node = {**options[0], **{key: value for key, value in node.items() if key != "anyOf"}}
        else:
            return node
