"""A JSON Schema as a form, and a filled-in form as an object: for arguments of tools and answers to questions. Pure.

What a field of HTML cannot say is typed as JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcptasks.diagnostics.visible_text import visible
from mcptasks.model.base import JsonObject

MAX_REFERENCES = 20
SIMPLE = frozenset({"string", "number", "integer", "boolean"})
INPUT_TYPES: Mapping[str, str] = {"date": "date", "email": "email", "uri": "url"}

Form = Mapping[str, Sequence[str]]
"""What a browser has sent: texts by name."""


@dataclass(frozen=True)
class FieldChoice:
    """One of the values that a field may have; `text` stands for it in the form."""

    text: str
    value: Any
    title: str


@dataclass(frozen=True)
class SchemaField:
    """One property of the object, as a field of the form."""

    name: str
    kind: str
    """boolean, choice, choices, integer, number, text, lines (a long text), json."""

    title: str = ""
    description: str = ""
    required: bool = False
    choices: Sequence[FieldChoice] = ()
    defaults: Sequence[str] = ()
    """What is filled in to begin with: one text, or of `choices` one for each that is chosen."""

    has_default: bool = False
    input_type: str = "text"
    limits: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What the field is called in the form."""
        return f"value.{self.name}"


@dataclass(frozen=True)
class FilledForm:
    """What was filled in: the object, and what is wrong with it, by the field's name."""

    value: JsonObject
    problems: Mapping[str, str]


def fields_of(schema: Mapping[str, Any]) -> list[SchemaField]:
    """The fields of an object's schema."""
    properties = schema.get("properties")
    required = schema.get("required")
    names = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    items = properties.items() if isinstance(properties, dict) else ()
    return [_field(str(name), _resolved(part, schema), name in names, schema) for name, part in items]


def _field(name: str, part: JsonObject, required: bool, root: Mapping[str, Any]) -> SchemaField:
    part, nullable = _without_null(part, root)
    kind, choices = _kind(part, root)
    has_default = part.get("default") is not None
    return SchemaField(
        name=name,
        kind=kind,
        title=visible(str(part.get("title") or name)),
        description=visible(str(part.get("description") or "")),
        required=required and not nullable,
        choices=choices,
        defaults=_texts(part["default"], kind) if has_default else (),
        has_default=has_default,
        input_type=INPUT_TYPES.get(str(part.get("format")), "text"),
        limits={
            html: str(part[keyword])
            for keyword, html in _LIMITS.items()
            if isinstance(part.get(keyword), int | float) and not isinstance(part.get(keyword), bool)
        },
    )


LONG_TEXT = 500
"""Characters: text that may have more gets a field of several lines."""

_LIMITS = {"minimum": "min", "maximum": "max", "minLength": "minlength", "maxLength": "maxlength"}


def _kind(part: JsonObject, root: Mapping[str, Any]) -> tuple[str, Sequence[FieldChoice]]:
    if choices := _choices(part):
        return "choice", choices
    match part.get("type"):
        case "boolean":
            return "boolean", ()
        case "integer" | "number" as kind:
            return kind, ()
        case "string":
            longest = part.get("maxLength")
            is_long = isinstance(longest, int | float) and longest > LONG_TEXT
            return "lines" if part.get("format") == "textarea" or is_long else "text", ()
        case "array" if choices := _choices(_resolved(part.get("items") or {}, root)):
            return "choices", choices
        case _:
            return "json", ()


def _choices(part: JsonObject) -> list[FieldChoice]:
    if isinstance(part.get("enum"), list):
        titles = part.get("enumNames")
        named = titles if isinstance(titles, list) and len(titles) == len(part["enum"]) else part["enum"]
        return [FieldChoice(_text(v, "choice"), v, visible(str(t))) for v, t in zip(part["enum"], named, strict=True)]
    for keyword in ("oneOf", "anyOf"):
        options = part.get(keyword)
        if isinstance(options, list) and options and all(isinstance(o, dict) and "const" in o for o in options):
            return [
                FieldChoice(_text(o["const"], "choice"), o["const"], visible(str(o.get("title", o["const"]))))
                for o in options
            ]
    return []


def _without_null(part: JsonObject, root: Mapping[str, Any]) -> tuple[JsonObject, bool]:
    """The schema without what allows null besides one other thing."""
    options = part.get("anyOf")
    if not isinstance(options, list):
        return part, False
    others = [option for option in options if not (isinstance(option, dict) and option.get("type") == "null")]
    if len(others) != 1 or len(others) == len(options):
        return part, False
    kept = {key: value for key, value in part.items() if key != "anyOf"}
    return {**_resolved(others[0], root), **kept}, True


def _resolved(part: object, root: Mapping[str, Any]) -> JsonObject:
    """The schema that a reference inside the same document stands for."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(part, dict):
            return {}
        reference = part.get("$ref")
        if not isinstance(reference, str):
            return part
        found: object = root
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(step) if isinstance(found, dict) else None
        rest = {key: value for key, value in part.items() if key != "$ref"}
        part = {**found, **rest} if isinstance(found, dict) else {}
    return {}


def _texts(value: object, kind: str) -> Sequence[str]:
    """A value as the texts that a form has for it."""
    if kind == "choices":
        return [_text(each, "choice") for each in value] if isinstance(value, list) else []
    return [_text(value, kind)]


def _text(value: object, kind: str) -> str:
    if kind == "boolean":
        return "true" if value else ""
    return value if isinstance(value, str) and kind != "json" else json.dumps(value, ensure_ascii=False)


def form_of(fields: Sequence[SchemaField], value: Mapping[str, Any]) -> Form:
    """The form as it is filled in for the object; what the object leaves out is as it is to begin with."""
    return {
        known.id: known.defaults if value.get(known.name) is None else _texts(value[known.name], known.kind)
        for known in fields
    }


def read_form(fields: Sequence[SchemaField], form: Form) -> FilledForm:
    """The object that was filled in. Fields that were left empty are left out, unless the text may be empty."""
    value: JsonObject = {}
    problems: dict[str, str] = {}
    for known in fields:
        try:
            found = _read(known, form.get(known.id, ()))
        except ValueError as error:
            problems[known.name] = str(error)
            continue
        if found is not _LEFT_OUT:
            value[known.name] = found
        elif known.required:
            problems[known.name] = "is required"
    return FilledForm(value, problems)


_LEFT_OUT = object()


def _read(known: SchemaField, texts: Sequence[str]) -> object:
    """Raises ValueError with what is wrong."""
    if known.kind == "boolean":
        return "true" in texts
    if known.kind == "choices":
        return [_chosen(known, text) for text in texts]
    text = texts[0].replace("\r\n", "\n") if texts else ""
    if not text.strip():
        return "" if known.kind in ("text", "lines") and known.required and texts else _LEFT_OUT
    match known.kind:
        case "choice":
            return _chosen(known, text)
        case "integer" | "number":
            return _number(text, known.kind)
        case "json":
            return _json(text)
        case _:
            return text


def _chosen(known: SchemaField, text: str) -> object:
    for choice in known.choices:
        if choice.text == text:
            return choice.value
    raise ValueError("is none of the choices")


def _number(text: str, kind: str) -> int | float:
    try:
        found = int(text) if kind == "integer" or text.strip().lstrip("-").isdigit() else float(text)
    except ValueError:
        raise ValueError("is no whole number" if kind == "integer" else "is no number") from None
    if not math.isfinite(found):
        raise ValueError("is no number")
    return found


def _json(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refused_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None


def _refused_constant(name: str) -> object:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError(f"{name} is no JSON value")
