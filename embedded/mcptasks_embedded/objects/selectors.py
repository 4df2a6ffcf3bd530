"""Label and field selectors.

Grammar: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcptasks_embedded.values.errors import bad_request
from mcptasks_embedded.values.json_object import Json

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|!=|=)\s*(?P<value>[^\s!=,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<not>!?)\s*(?P<key>[^\s!=,()]+)\s*$")
_SPLIT = re.compile(r",(?![^(]*\))")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term: `op` is one of in, notin, exists, absent."""

    key: str
    op: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.op == "in":
            return value is not None and value in self.values
        if self.op == "notin":
            return value is None or value not in self.values
        return (value is not None) == (self.op == "exists")


def _label_term(term: str) -> Requirement:
    if match := _SET.match(term):
        values = frozenset(value.strip() for value in match["values"].split(","))
        return Requirement(match["key"], match["op"], values)
    if match := _EQUAL.match(term):
        op = "notin" if match["op"] == "!=" else "in"
        return Requirement(match["key"], op, frozenset([match["value"]]))
    if match := _EXISTS.match(term):
        return Requirement(match["key"], "absent" if match["not"] else "exists")
    raise bad_request(f"unable to parse requirement: found '{term.strip()}'")


def parse_labels(text: str) -> list[Requirement]:
    """Raises ApiError 400 unless `text` is a label selector."""
    return [_label_term(term) for term in _SPLIT.split(text)] if text.strip() else []


def label_selector_matches(selector: Json, labels: Mapping[str, str]) -> bool:
    """Whether a `metav1.LabelSelector` object matches."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    names = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    for term in selector.get("matchExpressions") or ():
        requirement = Requirement(term["key"], names[term["operator"]], frozenset(term.get("values") or ()))
        if not requirement.matches(labels):
            return False
    return True


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """`path` equals `value` (or does not, when `negated`); an absent field counts as the empty string."""

    path: str
    value: str
    negated: bool

    def matches(self, obj: Json) -> bool:
        return (field_text(obj, self.path) == self.value) != self.negated


def field_text(obj: Json, path: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _unescape(value: str) -> str:
    return re.sub(r"\\([\\,=])", r"\1", value)


def parse_fields(text: str, supported: Callable[[str], bool]) -> list[FieldTerm]:
    """Raises ApiError 400 for a field that `supported` refuses."""
    terms = []
    for part in re.split(r"(?<!\\),", text):
        if not part.strip():
            continue
        match = re.match(r"^\s*(?P<path>[^=!]+?)\s*(?P<op>!=|==|=)(?P<value>.*)$", part)
        if match is None:
            raise bad_request(f"invalid field selector: '{part}'; can't understand '{part}'")
        if not supported(match["path"]):
            raise bad_request(f"field label not supported: {match['path']}")
        terms.append(FieldTerm(match["path"], _unescape(match["value"]), match["op"] == "!="))
    return terms


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list or watch asks for."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldTerm, ...] = ()

    @property
    def all(self) -> bool:
        return not self.labels and not self.fields

    def matches(self, obj: Json) -> bool:
        if self.labels:
            labels = obj["metadata"].get("labels") or {}
            if not all(term.matches(labels) for term in self.labels):
                return False
        return all(term.matches(obj) for term in self.fields)


_POD_FIELDS = frozenset(
    [
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ]
)
_EVENT_FIELDS = frozenset(
    [
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ]
)
_BUILTIN_FIELDS: Mapping[tuple[str, str], frozenset[str]] = {
    ("", "pods"): _POD_FIELDS,
    ("", "events"): _EVENT_FIELDS,
    ("batch", "jobs"): frozenset(["status.successful"]),
    ("", "namespaces"): frozenset(["status.phase"]),
    ("", "nodes"): frozenset(["spec.unschedulable"]),
    ("", "secrets"): frozenset(["type"]),
}
_RENAMED = {("batch", "jobs", "status.successful"): "status.succeeded", ("", "events", "source"): "source.component"}


def supported_fields(group: str, plural: str, selectable: tuple[str, ...]) -> Callable[[str], bool]:
    extra = _BUILTIN_FIELDS.get((group, plural), frozenset())
    custom = {path.lstrip(".") for path in selectable}
    return lambda path: path in ("metadata.name", "metadata.namespace") or path in extra or path in custom


def parse_selection(group: str, plural: str, selectable: tuple[str, ...], labels: str, fields: str) -> Selection:
    """The selection of a request's `labelSelector` and `fieldSelector`. Raises ApiError 400."""
    terms = parse_fields(fields, supported_fields(group, plural, selectable)) if fields else []
    renamed = [
        FieldTerm(_RENAMED.get((group, plural, term.path), term.path), term.value, term.negated) for term in terms
    ]
    return Selection(tuple(parse_labels(labels)) if labels else (), tuple(renamed))
