"""The reference of the custom resources, from the models: `python -m website.crd_reference` prints it as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from mcptasks.model.base import JsonObject
from mcptasks.model.crds import KINDS, custom_resource_definition

INTRODUCTION = """# Custom resources

Every field of the two kinds, made from the models (`make generate`). `kubectl explain mcptask.spec` has the same.
Fields of `status` are written by operator and server. [stability.md](stability.md) says what may change.
"""


QUOTE = '"'


class CrdField(NamedTuple):
    """A field of a custom resource; `spec.retries`, `status.conditions[].type`."""

    path: str
    type: str
    required: bool
    text: str


def fields(schema: JsonObject, path: str = "") -> Iterator[CrdField]:
    """All fields below the schema, those of objects after the object."""
    required = schema.get("required", ())
    for name, child in schema.get("properties", {}).items():
        at = f"{path}.{name}" if path else name
        yield CrdField(at, type_of(child), name in required, description(child))
        yield from fields(child, at)
        yield from fields(child.get("items", {}), f"{at}[]")


def type_of(schema: JsonObject) -> str:
    """The field's type in words."""
    if schema.get("type") == "array":
        return f"list of {type_of(schema['items'])}"
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if schema.get("type") == "object" and isinstance(values := schema.get("additionalProperties"), dict):
        return f"map to {type_of(values)}"
    return str(schema.get("format") or schema.get("type") or "any")


def description(schema: JsonObject) -> str:
    """What the field is for, which values it takes, and what it is by default."""
    parts = [str(schema.get("description", ""))]
    if values := schema.get("enum"):
        parts.append("One of " + ", ".join(f"`{value}`" for value in values) + ".")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        parts.append("From " + f"{low}" * (low is not None) + f" to {high}" * (high is not None) + ".")
    if "default" in schema:
        parts.append(f"Default: `{json.dumps(schema['default']).strip(QUOTE)}`.")
    return " ".join(part for part in parts if part)


def reference() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(f"\n{section(custom_resource_definition(kind))}" for kind in KINDS)


def section(definition: JsonObject) -> str:
    """The part about one kind."""
    spec = definition["spec"]
    names, (version,) = spec["names"], spec["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    short = ", ".join(f"`{name}`" for name in names.get("shortNames", ()))
    columns = ", ".join(f"`{column['name']}`" for column in version.get("additionalPrinterColumns", ()))
    lines = [
        f"## {names['kind']}",
        "",
        f"`{spec['group']}/{version['name']}`, {spec['scope'].lower()}; `kubectl get {names['plural']}` ({short}).",
        "",
        str(schema.get("description", "")),
        "",
        f"Columns: {columns}.",
    ]
    for part in ("spec", "status"):
        if part in schema["properties"]:
            lines += ["", f"### {names['kind']}: {part}", "", *table(schema["properties"][part], part)]
    return "\n".join(lines) + "\n"


def table(schema: JsonObject, part: str) -> Iterator[str]:
    """The rows of a part's fields."""
    yield "| field | type | |"
    yield "|---|---|---|"
    for field in fields(schema, part):
        text = " ".join(field.text.split()).replace("|", "\\|")
        yield f"| `{field.path}` | {field.type}{', required' if field.required else ''} | {text} |"


if __name__ == "__main__":
    print(reference(), end="")
