"""Pods when they are written: defaults, immutable fields, validation."""

from __future__ import annotations

from mcptasks_embedded.kinds.pod_defaults import default_pod_spec
from mcptasks_embedded.kinds.pod_validation import image_errors, pod_spec_errors
from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.errors import FieldError, forbidden_field
from mcptasks_embedded.values.json_object import Json


def _request_limits(container: Json) -> Json:
    """A Pod, unlike a template, requests at least what it is limited to."""
    resources = container.get("resources") or {}
    limits = resources.get("limits")
    if not limits:
        return container
    requests = {**limits, **(resources.get("requests") or {})}
    return {**container, "resources": {**resources, "requests": requests}}


def prepare_pod(pod: Json) -> None:
    spec = pod["spec"] = dict(pod.get("spec") or {})
    default_pod_spec(spec)
    for name in ("initContainers", "containers"):
        if name in spec:
            spec[name] = [_request_limits(container) for container in spec[name]]
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    pod["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


_MUTABLE_POD_FIELDS = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName")


def validate_pod(new: Json, old: Json | None) -> list[FieldError]:
    spec = new.get("spec") or {}
    errors = pod_spec_errors(spec, "spec") + image_errors(spec, "spec")
    if old is None or errors:
        return errors
    if not json_values.equal_as_encoded(_frozen_pod_part(new), _frozen_pod_part(old)):
        detail = (
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
        )
        errors.append(forbidden_field("spec", detail))
    return errors


def _frozen_pod_part(pod: Json) -> Json:
    spec = {name: value for name, value in pod["spec"].items() if name not in _MUTABLE_POD_FIELDS}
    for name in ("containers", "initContainers"):
        spec[name] = [{**container, "image": ""} for container in spec.get(name) or ()]
    return spec
