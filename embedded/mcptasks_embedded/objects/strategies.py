"""What is particular to each built-in kind when it is written: defaults, immutable fields, validation."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcptasks_embedded.objects.pod_validation import image_errors, pod_spec_errors
from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.errors import FieldError, forbidden_field, invalid_value, required, unsupported
from mcptasks_embedded.values.references import EVENTS, JOBS, LEASES, NAMESPACES, PODS, RBAC_GROUP, GroupResource

Json = dict[str, Any]


def _nothing(obj: Json) -> None:
    """No defaults."""


def _no_errors(new: Json, old: Json | None) -> list[FieldError]:
    return []


@dataclass(frozen=True, slots=True)
class Strategy:
    """`prepare` completes an object in place on create, `normalise` on every write; `validate` has no old on create."""

    prepare: Callable[[Json], None] = _nothing
    normalise: Callable[[Json], None] = _nothing
    validate: Callable[[Json, Json | None], list[FieldError]] = _no_errors


# --- Pods ---

_POD_DEFAULTS: Mapping[str, Any] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
}
_CONTAINER_DEFAULTS: Mapping[str, Any] = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}


def default_pod_spec(spec: Json) -> None:
    for name, value in _POD_DEFAULTS.items():
        if _is_unset(spec, name):
            spec[name] = value
    for name in ("initContainers", "containers"):
        if name in spec:
            spec[name] = [_default_container(container) for container in spec[name] or ()]
    if "volumes" in spec:
        spec["volumes"] = [_default_volume(volume) for volume in spec["volumes"] or ()]


def _is_unset(obj: Json, name: str) -> bool:
    """An empty string is no value: Go does not tell them apart."""
    return obj.get(name) in (None, "")


def _default_container(container: Json) -> Json:
    image = str(container.get("image", ""))
    latest = image.endswith(":latest") or ":" not in image.rpartition("/")[2]
    defaults = {**_CONTAINER_DEFAULTS, "imagePullPolicy": "Always" if latest else "IfNotPresent"}
    return container | {name: value for name, value in defaults.items() if _is_unset(container, name)}


def _default_volume(volume: Json) -> Json:
    result = dict(volume)
    for name in ("secret", "configMap", "projected", "downwardAPI"):
        if isinstance(result.get(name), dict):
            result[name] = {"defaultMode": 420, **result[name]}
    if isinstance(result.get("projected"), dict):
        sources = [_default_source(source) for source in result["projected"].get("sources") or ()]
        result["projected"] = {**result["projected"], "sources": sources}
    if not result.keys() - {"name"}:
        result["emptyDir"] = {}
    return result


def _default_source(source: Json) -> Json:
    if "serviceAccountToken" in source:
        return {**source, "serviceAccountToken": {"expirationSeconds": 3600, **source["serviceAccountToken"]}}
    return source


def _request_limits(container: Json) -> Json:
    """A Pod, unlike a template, requests at least what it is limited to."""
    resources = container.get("resources") or {}
    limits = resources.get("limits")
    if not limits:
        return container
    requests = {**limits, **(resources.get("requests") or {})}
    return {**container, "resources": {**resources, "requests": requests}}


def _prepare_pod(pod: Json) -> None:
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


def _validate_pod(new: Json, old: Json | None) -> list[FieldError]:
    spec = new.get("spec") or {}
    errors = pod_spec_errors(spec, "spec") + image_errors(spec, "spec")
    if old is None or errors:
        return errors
    if not json_values.equal(_frozen_pod_part(new), _frozen_pod_part(old)):
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


# --- Jobs ---

_JOB_LABELS = ("batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name")
_LABEL_LENGTH = 63
_IMMUTABLE_JOB_FIELDS = ("completions", "selector", "template", "completionMode", "podFailurePolicy", "managedBy")


def _prepare_job(job: Json) -> None:
    spec = job["spec"] = dict(job.get("spec") or {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    replacement = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    spec.setdefault("podReplacementPolicy", replacement)
    template = spec["template"] = dict(spec.get("template") or {})
    pod_spec = template["spec"] = dict(template.get("spec") or {})
    has_policy = not _is_unset(pod_spec, "restartPolicy")
    default_pod_spec(pod_spec)
    if not has_policy:
        del pod_spec["restartPolicy"]
    _select_own_pods(job, spec, template)
    job["status"] = {}


def _select_own_pods(job: Json, spec: Json, template: Json) -> None:
    if spec.get("manualSelector"):
        return
    uid, name = job["metadata"]["uid"], job["metadata"]["name"]
    own = dict(zip(_JOB_LABELS, (uid, name, uid, name), strict=True))
    metadata = dict(template.get("metadata") or {})
    template["metadata"] = {**metadata, "labels": {**(metadata.get("labels") or {}), **own}}
    spec["selector"] = {"matchLabels": {_JOB_LABELS[0]: uid}}


def _validate_job(new: Json, old: Json | None) -> list[FieldError]:
    spec = new.get("spec") or {}
    errors = _negative(spec)
    pod_spec = spec["template"].get("spec") or {}
    errors += pod_spec_errors(pod_spec, "spec.template.spec")
    policy = pod_spec.get("restartPolicy")
    errors += _restart_policy_errors(policy)
    errors += _policy_errors(spec, policy)
    errors += _template_label_errors(spec["template"])
    if old is not None:
        errors += _job_changes(spec, old["spec"])
    return errors


def _restart_policy_errors(policy: str | None) -> list[FieldError]:
    path = "spec.template.spec.restartPolicy"
    if policy in (None, "Always"):
        return [required(path, 'valid values: "OnFailure", "Never"')]
    return [] if policy in ("OnFailure", "Never") else [unsupported(path, policy, ["OnFailure", "Never"])]


def _template_label_errors(template: Json) -> list[FieldError]:
    """The Job's name becomes a label, which is where a long one is refused."""
    values = ((template.get("metadata") or {}).get("labels") or {}).values()
    too_long = [value for value in values if len(value) > _LABEL_LENGTH]
    detail = f"must be no more than {_LABEL_LENGTH} bytes"
    return [invalid_value("spec.template.labels", value, detail) for value in too_long]


def _negative(spec: Json) -> list[FieldError]:
    errors = []
    names = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
    for name in names:
        value = spec.get(name)
        if isinstance(value, int) and value < 0:
            errors.append(invalid_value(f"spec.{name}", value, "must be greater than or equal to 0"))
    return errors


def _policy_errors(spec: Json, restart_policy: str | None) -> list[FieldError]:
    if not spec.get("podFailurePolicy"):
        return []
    errors = []
    if restart_policy not in (None, "Never"):
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(invalid_value("spec.template.spec.restartPolicy", restart_policy, detail))
    if spec.get("podReplacementPolicy") != "Failed":
        errors.append(unsupported("spec.podReplacementPolicy", spec.get("podReplacementPolicy"), ["Failed"]))
    for index, rule in enumerate(spec["podFailurePolicy"].get("rules") or ()):
        path = f"spec.podFailurePolicy.rules[{index}]"
        if rule.get("action") not in ("FailJob", "Ignore", "Count", "FailIndex"):
            allowed = ["Count", "FailIndex", "FailJob", "Ignore"]
            errors.append(unsupported(f"{path}.action", rule.get("action"), allowed))
        if bool(rule.get("onExitCodes")) == bool(rule.get("onPodConditions")):
            detail = "specifying one of OnExitCodes and OnPodConditions is required"
            errors.append(invalid_value(path, rule, detail))
    return errors


def _job_changes(spec: Json, old: Json) -> list[FieldError]:
    changed = [name for name in _IMMUTABLE_JOB_FIELDS if not json_values.equal(spec.get(name), old.get(name))]
    return [invalid_value(f"spec.{name}", spec.get(name), "field is immutable") for name in changed]


# --- Other kinds ---


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
    if json_values.equal(new.get("data"), old.get("data")) and new.get("immutable"):
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
    if old is not None and not json_values.equal(new.get("roleRef"), old.get("roleRef")):
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


def strategies() -> dict[GroupResource, Strategy]:
    binding = Strategy(normalise=_normalise_binding, validate=_validate_binding)
    return {
        PODS: Strategy(prepare=_prepare_pod, validate=_validate_pod),
        JOBS: Strategy(prepare=_prepare_job, validate=_validate_job),
        NAMESPACES: Strategy(prepare=_prepare_namespace),
        GroupResource("", "secrets"): Strategy(normalise=_normalise_secret, validate=_validate_secret),
        GroupResource("", "configmaps"): Strategy(validate=_immutable_data),
        GroupResource("", "services"): Strategy(prepare=_prepare_service),
        EVENTS: Strategy(validate=_validate_event),
        LEASES: Strategy(validate=_validate_lease),
        GroupResource(RBAC_GROUP, "rolebindings"): binding,
        GroupResource(RBAC_GROUP, "clusterrolebindings"): binding,
    }
