"""A tool's question as a form: its fields, and what a text from the command line means in each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from mcptasks.cli.key_values import grouped
from mcptasks.cli.schema_types import UNREADABLE, alternatives, choices_of, items_of, read_value, type_text, types_of
from mcptasks.model.base import JsonObject
from mcptasks.model.elicitation_form import misfit

_YES = frozenset({"y", "yes", "true", "1"})
_NO = frozenset({"n", "no", "false", "0"})


class AnswerError(ValueError):
    """A text does not answer the question; the message says what would do."""


@dataclass(frozen=True)
class FormField:
    """One field of a form."""

    name: str
    schema: JsonObject = field(default_factory=dict)
    required: bool = False

    @property
    def has_default(self) -> bool:
        return "default" in self.schema

    @property
    def default(self) -> Any:
        """What the field is if nobody fills it in; None where it has no default."""
        return self.schema.get("default")

    @property
    def is_list(self) -> bool:
        return "array" in self._types

    @property
    def description(self) -> str:
        """What the field is for, in the tool's words; empty where the tool does not say."""
        return str(self.schema.get("description") or self.schema.get("title") or "")

    @property
    def choices(self) -> list[str]:
        """What can be chosen, as one types it; empty where the field is not a choice."""
        return [_typed(choice) for choice in self._choices]

    def kind(self) -> str:
        """What one types, in words: `yes or no`, `a number`, the choices; of a list, with commas between."""
        if self.choices:
            named = [f"{choice} ({title})" if title != choice else choice for choice, title in self._titled()]
            return f"{', '.join(named)}; several with commas" if self.is_list else " or ".join(named)
        if self._types == {"boolean"}:
            return "yes or no"
        if self.is_list:
            return "several with commas"
        return "text" if "string" in self._types else type_text(self._types)

    def read(self, texts: Sequence[str]) -> Any:
        """The value that the texts give: one text, or for a list several. Raises AnswerError."""
        if self.is_list:
            value = self._read_list(texts)
        elif len(texts) > 1:
            raise AnswerError(f"{self.name} takes one value")
        else:
            value = self._read_one(texts[0], self._types)
        wrong = misfit({"properties": {self.name: self.schema}}, {self.name: value})
        if wrong is not None:
            raise AnswerError(wrong)
        return value

    @property
    def _types(self) -> frozenset[str]:
        return types_of(self.schema, self.schema) - {"null"}

    @property
    def _choices(self) -> list[Any]:
        return choices_of(items_of(self.schema, self.schema) if self.is_list else self.schema, self.schema)

    def _titled(self) -> list[tuple[str, str]]:
        """The choices with their titles, which are the choices themselves where they have none."""
        schema = items_of(self.schema, self.schema) if self.is_list else self.schema
        names = schema.get("enumNames") or ()
        titles = {_typed(choice): str(name) for choice, name in zip(self._choices, names, strict=False)}
        for option in alternatives(schema, self.schema):
            if "const" in option and "title" in option:
                titles[_typed(option["const"])] = str(option["title"])
        return [(choice, titles.get(choice, choice)) for choice in self.choices]

    def _read_one(self, text: str, types: frozenset[str]) -> Any:
        if (choice := self._chosen(text.strip())) is not UNREADABLE:
            return choice
        if types == {"boolean"} and (word := text.strip().casefold()) in _YES | _NO:
            return word in _YES
        value = read_value(text if types == {"string"} else text.strip(), types)
        if value is UNREADABLE or (self._choices and value not in self._choices):
            raise AnswerError(f"{self.name}: {text!r} is not {self.kind()}")
        return value

    def _chosen(self, said: str) -> Any:
        """The choice that is meant: by its exact value, else its exact title, else either in any case."""
        titled = list(zip(self._choices, self._titled(), strict=True))
        spellings = [(typed, choice) for choice, (typed, _) in titled]
        spellings += [(title, choice) for choice, (_, title) in titled]
        exact = (choice for spelling, choice in spellings if spelling == said)
        in_any_case = (choice for spelling, choice in spellings if spelling.casefold() == said.casefold())
        return next(chain(exact, in_any_case), UNREADABLE)

    def _read_list(self, texts: Sequence[str]) -> list[Any]:
        given: Any = read_value(texts[0], frozenset({"array"})) if len(texts) == 1 else UNREADABLE
        if given is not UNREADABLE:
            return list(given)
        parts = texts if len(texts) > 1 else [part for part in texts[0].split(",") if part.strip()]
        types = types_of(items_of(self.schema, self.schema), self.schema)
        return [self._read_one(part.strip(), types) for part in parts]


def fields_of(schema: JsonObject) -> list[FormField]:
    """The fields of a question's schema, in its order."""
    required = schema.get("required") or ()
    return [
        FormField(name, given if isinstance(given, dict) else {}, name in required)
        for name, given in (schema.get("properties") or {}).items()
    ]


@dataclass(frozen=True)
class AnswerSheet:
    """Answers that were given with the command, by the name of the field."""

    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> AnswerSheet:
        """Of `key=value`, each; a key that comes several times makes a list. Raises AnswerError."""
        return cls(grouped("--answer", pairs, AnswerError))

    def filled(self, fields: Iterable[FormField]) -> JsonObject:
        """The values of those fields that have an answer here. Raises AnswerError."""
        try:
            return {item.name: item.read(self.texts[item.name]) for item in fields if item.name in self.texts}
        except AnswerError as error:
            raise AnswerError(f"--answer {error}") from error

    def missing(self, fields: Sequence[FormField]) -> list[FormField]:
        """What must still be answered: required fields without a default, or all if no answer is for this question."""
        if not any(item.name in self.texts for item in fields):
            return [item for item in fields if item.required] or list(fields)
        return [item for item in fields if item.required and not item.has_default and item.name not in self.texts]


def with_defaults(content: JsonObject, fields: Iterable[FormField]) -> JsonObject:
    """The content, and the defaults of fields that it leaves out."""
    return {**{item.name: item.default for item in fields if item.default is not None}, **content}


def _typed(choice: object) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)
