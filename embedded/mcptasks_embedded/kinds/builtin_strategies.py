"""The strategies of the built-in kinds; those of Pods and Jobs have modules of their own."""

from __future__ import annotations

import base64
import binascii

from mcptasks_embedded.kinds.job_strategy import prepare_job, validate_job
from mcptasks_embedded.kinds.pod_strategy import prepare_pod, validate_pod
from mcptasks_embedded.kinds.strategy import Strategy
from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.errors import FieldError, forbidden_field, invalid_value, required
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import EVENTS, JOBS, LEASES, NAMESPACES, PODS, RBAC_GROUP, GroupResource


def _prepare_namespace(namespace: Json) -> None:
    name = namespace["metadata"]["name"]
    labels = {**(namespace["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": name}
    namespace["metadata"] = {**namespace["metadata"], "labels": labels}
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def _normalise_secret(secret: Json) -> None:
    secret.setdefault("type", "Opaque")
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def _validate_secret(new: Json, old: Json | None) -> list[FieldError]:
    errors = []
    for key, value in (new.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            errors.append(invalid_value(f"data[{key}]", "<omitted>", "illegal base64 data"))
    if old is not None:
        if old.get("type") != new.get("type"):
            errors.append(invalid_value("type", new.get("type"), "field is immutable"))
        errors += _immutable_data(new, old)
    return errors


def _immutable_data(new: Json, old: Json | None) -> list[FieldError]:
    if old is None or not old.get("immutable"):
        return []
    if json_values.equal_as_encoded(new.get("data"), old.get("data")) and new.get("immutable"):
        return []
    return [forbidden_field("data", "field is immutable when `immutable` is set")]


def _validate_lease(new: Json, old: Json | None) -> list[FieldError]:
    errors = []
    spec = new.get("spec") or {}
    for name, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        value = spec.get(name)
        if isinstance(value, int) and value < least:
            detail = "must be greater than 0" if least else "must be greater than or equal to 0"
            errors.append(invalid_value(f"spec.{name}", value, detail))
    return errors


def _normalise_binding(binding: Json) -> None:
    subjects = binding.get("subjects") or ()
    binding["subjects"] = [_default_subject(subject) for subject in subjects]
    role = binding.get("roleRef") or {}
    binding["roleRef"] = {"apiGroup": RBAC_GROUP, **role}


def _default_subject(subject: Json) -> Json:
    if subject.get("kind") in ("User", "Group"):
        return {"apiGroup": RBAC_GROUP, **subject}
    return subject


def _validate_binding(new: Json, old: Json | None) -> list[FieldError]:
    if old is not None and not json_values.equal_as_encoded(new.get("roleRef"), old.get("roleRef")):
        return [invalid_value("roleRef", new.get("roleRef"), "cannot change roleRef")]
    return [] if (new.get("roleRef") or {}).get("name") else [required("roleRef.name")]


def _prepare_service(service: Json) -> None:
    spec = service["spec"] = dict(service.get("spec") or {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("clusterIP", "None")
    spec.setdefault("sessionAffinity", "None")
    service["status"] = {"loadBalancer": {}}


def _validate_event(new: Json, old: Json | None) -> list[FieldError]:
    namespace = (new.get("involvedObject") or {}).get("namespace", "")
    if namespace and namespace != new["metadata"].get("namespace"):
        return [invalid_value("involvedObject.namespace", namespace, "does not match event.namespace")]
    return []


def builtin_strategies() -> dict[GroupResource, Strategy]:
    binding = Strategy(normalise=_normalise_binding, validate=_validate_binding)
    return {
        PODS: Strategy(prepare=prepare_pod, validate=validate_pod),
        JOBS: Strategy(prepare=prepare_job, validate=validate_job),
        NAMESPACES: Strategy(prepare=_prepare_namespace),
        GroupResource("", "secrets"): Strategy(normalise=_normalise_secret, validate=_validate_secret),
        GroupResource("", "configmaps"): Strategy(validate=_immutable_data),
        GroupResource("", "services"): Strategy(prepare=_prepare_service),
        EVENTS: Strategy(validate=_validate_event),
        LEASES: Strategy(validate=_validate_lease),
        GroupResource(RBAC_GROUP, "rolebindings"): binding,
        GroupResource(RBAC_GROUP, "clusterrolebindings"): binding,
    }
