"""CustomResourceDefinitions: defaults, status and validation when one is written."""

from __future__ import annotations

from collections.abc import Callable

from mcptasks_embedded.kinds.schema_validation import Rules
from mcptasks_embedded.kinds.strategy import Strategy
from mcptasks_embedded.kinds.structural_schema import rules_of
from mcptasks_embedded.values import times
from mcptasks_embedded.values.errors import FieldError, invalid_value, required
from mcptasks_embedded.values.json_object import Json

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_CONDITIONS = (
    ("NamesAccepted", "NoConflicts", "no conflicts found"),
    ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
)


def _conditions() -> list[Json]:
    stamp = times.stamp()
    return [
        {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": stamp}
        for kind, reason, message in _CONDITIONS
    ]


def _accepted_names(spec: Json) -> Json:
    names = dict(spec.get("names") or {})
    kind = str(names.get("kind", ""))
    return {"singular": kind.lower(), "listKind": f"{kind}List", **names}


def _prepare(crd: Json) -> None:
    metadata = crd["metadata"]
    finalizers = [*(metadata.get("finalizers") or ()), FINALIZER]
    crd["metadata"] = {**metadata, "finalizers": list(dict.fromkeys(finalizers))}
    spec = crd["spec"] = {"conversion": {"strategy": "None"}, **(crd.get("spec") or {})}
    spec["names"] = _accepted_names(spec)
    stored = [version.get("name") for version in spec.get("versions") or () if version.get("storage")]
    crd["status"] = {"conditions": _conditions(), "acceptedNames": spec["names"], "storedVersions": stored}


def validate(rules: Rules) -> Callable[[Json, Json | None], list[FieldError]]:
    def check(crd: Json, old: Json | None) -> list[FieldError]:
        spec = crd.get("spec") or {}
        errors = [required(f"spec.{name}") for name in ("group", "names", "scope", "versions") if not spec.get(name)]
        if errors:
            return errors
        expected = f"{spec['names'].get('plural')}.{spec['group']}"
        if crd["metadata"].get("name") != expected:
            detail = 'must be spec.names.plural+"."+spec.group'
            errors.append(invalid_value("metadata.name", crd["metadata"].get("name"), detail))
        for index, version in enumerate(spec["versions"]):
            errors += _version_errors(version, f"spec.versions[{index}]", rules)
        return errors

    return check


def _version_errors(version: Json, path: str, rules: Rules) -> list[FieldError]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        return [required(f"{path}.schema.openAPIV3Schema", "schemas are required")]
    where = f"{path}.schema.openAPIV3Schema"
    detail = "the embedded cluster has no equivalent of this validation rule; add one to the rules it is given"
    return [
        FieldError("FieldValueNotSupported", where, detail, f'"{text}"')
        for text in rules_of(schema)
        if text not in rules
    ]


def crd_strategy(rules: Rules) -> Strategy:
    return Strategy(prepare=_prepare, validate=validate(rules))
