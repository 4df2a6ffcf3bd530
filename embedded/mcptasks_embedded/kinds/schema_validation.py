"""Validation of custom resources: their structural schema and its validation rules.

CEL is not interpreted. Each `x-kubernetes-validations` rule has a Python equivalent in a mapping keyed by the rule's
exact text; a CRD with a rule that has none is refused, never served unchecked.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcptasks_embedded.kinds.schema_checks import scalar_errors, type_errors, uniqueness_errors
from mcptasks_embedded.kinds.structural_schema import Schema, child_schema, join_path, rules_of
from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.errors import FieldError, invalid_value, required, show

Rule = Callable[[Any, Any], bool]
Rules = Mapping[str, Rule]

_UNSET = object()
_BLOCKING = frozenset({"FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"})
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


@dataclass(slots=True)
class SchemaValidation:
    """Validates one write. `errors` holds what was found, in the order of the schema."""

    rules: Rules
    errors: list[FieldError] = field(default_factory=list)

    def run(self, new: Any, old: Any, schema: Schema) -> list[FieldError]:
        """All errors of `new`; `old` is None on create. What is as in `old` is not checked again (ratcheting)."""
        old = _UNSET if old is None else old
        self._value(new, old, schema, "")
        if any(error.reason in _BLOCKING for error in self.errors):
            if next(rules_of(schema), None) is not None:
                self.errors.append(FieldError("FieldValueInvalid", "<nil>", _UNCHECKED, "null"))
            return self.errors
        self._rules(new, old, schema, "")
        return self.errors

    def _value(self, new: Any, old: Any, schema: Schema, path: str) -> None:
        if old is not _UNSET and json_values.equal_as_encoded(new, old):
            return
        if new is None and schema.get("nullable"):
            return
        found = len(self.errors)
        self.errors += type_errors(new, schema, path)
        if len(self.errors) > found:
            return
        self.errors += scalar_errors(new, schema, path)
        self._combined(new, schema, path)
        if isinstance(new, dict):
            self._map(new, old, schema, path)
        elif isinstance(new, list):
            self._list(new, old, schema, path)

    def _combined(self, new: Any, schema: Schema, path: str) -> None:
        for inner in schema.get("allOf") or ():
            self._value(new, _UNSET, inner, path)
        if (any_of := schema.get("anyOf")) and not any(self._accepts(new, inner) for inner in any_of):
            self.errors.append(invalid_value(path, new, f"{path} in body must validate at least one schema (anyOf)"))
        if (one_of := schema.get("oneOf")) and sum(self._accepts(new, inner) for inner in one_of) != 1:
            self.errors.append(
                invalid_value(path, new, f"{path} in body must validate one and only one schema (oneOf)")
            )
        if (negated := schema.get("not")) and self._accepts(new, negated):
            self.errors.append(invalid_value(path, new, f"{path} in body must not validate the schema (not)"))

    def _accepts(self, value: Any, schema: Schema) -> bool:
        trial = SchemaValidation({})
        trial._value(value, _UNSET, schema, "")
        return not trial.errors

    def _map(self, new: dict[str, Any], old: Any, schema: Schema, path: str) -> None:
        for name in schema.get("required") or ():
            if name not in new:
                self.errors.append(required(join_path(path, name)))
        for name, item in new.items():
            inner = child_schema(schema, name, path)
            if inner is not None:
                self._value(item, _old_child(old, name), inner, join_path(path, name))

    def _list(self, new: list[Any], old: Any, schema: Schema, path: str) -> None:
        self.errors += uniqueness_errors(new, schema, path)
        items = schema.get("items")
        if isinstance(items, dict):
            for index, item in enumerate(new):
                self._value(item, _old_item(old, item, schema), items, f"{path}[{index}]")

    def _rules(self, new: Any, old: Any, schema: Schema, path: str) -> None:
        for rule in schema.get("x-kubernetes-validations") or ():
            self._rule(rule, new, old, path)
        if isinstance(new, dict):
            for name, item in new.items():
                inner = child_schema(schema, name, path)
                if inner is not None:
                    self._rules(item, _old_child(old, name), inner, join_path(path, name))
        elif isinstance(new, list) and isinstance(schema.get("items"), dict):
            for index, item in enumerate(new):
                self._rules(item, _old_item(old, item, schema), schema["items"], f"{path}[{index}]")

    def _rule(self, rule: Schema, new: Any, old: Any, path: str) -> None:
        if new is None:
            return
        text = rule["rule"]
        is_transition = "oldSelf" in text
        if is_transition and old is _UNSET and not rule.get("optionalOldSelf"):
            return
        if not is_transition and old is not _UNSET and json_values.equal_as_encoded(new, old):
            return
        if not self.rules[text](new, None if old is _UNSET else old):
            self.errors.append(_rule_error(rule, new, path))


def _rule_error(rule: Schema, new: Any, path: str) -> FieldError:
    where = path + rule.get("fieldPath", "") if path else rule.get("fieldPath", "").lstrip(".") or "<nil>"
    detail = rule.get("message") or f"failed rule: {rule['rule']}"
    reason = rule.get("reason", "FieldValueInvalid")
    if reason in ("FieldValueRequired", "FieldValueForbidden"):
        return FieldError(reason, where, detail)
    shown = None if isinstance(new, dict | list) else show(new)
    return FieldError(reason, where, detail, shown)


def _old_child(old: Any, name: str) -> Any:
    return old.get(name, _UNSET) if isinstance(old, dict) else _UNSET


def _old_item(old: Any, item: Any, schema: Schema) -> Any:
    """The earlier state of a list's item: only lists of type map can be correlated."""
    keys: Sequence[str] = schema.get("x-kubernetes-list-map-keys") or ()
    if not isinstance(old, list) or not keys or not isinstance(item, dict):
        return _UNSET
    for candidate in old:
        if all(candidate.get(key) == item.get(key) for key in keys):
            return candidate
    return _UNSET
