"""Jobs when they are written: defaults, immutable fields, validation."""

from __future__ import annotations

from mcptasks_embedded.kinds.pod_defaults import default_pod_spec, is_unset
from mcptasks_embedded.kinds.pod_validation import pod_spec_errors
from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.errors import FieldError, invalid_value, required, unsupported
from mcptasks_embedded.values.json_object import Json

_JOB_LABELS = ("batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name")
_LABEL_LENGTH = 63
_IMMUTABLE_JOB_FIELDS = ("completions", "selector", "template", "completionMode", "podFailurePolicy", "managedBy")


def prepare_job(job: Json) -> None:
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
    has_policy = not is_unset(pod_spec, "restartPolicy")
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


def validate_job(new: Json, old: Json | None) -> list[FieldError]:
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
    changed = [
        name for name in _IMMUTABLE_JOB_FIELDS if not json_values.equal_as_encoded(spec.get(name), old.get(name))
    ]
    return [invalid_value(f"spec.{name}", spec.get(name), "field is immutable") for name in changed]
