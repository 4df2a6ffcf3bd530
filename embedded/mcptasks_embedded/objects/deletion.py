"""What a DELETE makes of an object: deletionTimestamp, grace period, finalizers of its propagation policy.

Pure functions. https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mcptasks_embedded.objects.options import DeleteOptions
from mcptasks_embedded.values import errors, times
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_ORPHAN_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or "
    "set propagationPolicy=Orphan to suppress this warning"
)


def is_removable(obj: Json) -> bool:
    """Whether nothing holds back an object that is being deleted: no finalizer and no grace period."""
    metadata = obj["metadata"]
    if metadata.get("finalizers") or (obj["kind"] == "Namespace" and (obj.get("spec") or {}).get("finalizers")):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


def check_preconditions(kind: ApiKind, metadata: Json, options: DeleteOptions) -> None:
    """Raises ApiError 409 when the object is another one, or in another version, than the request expects."""
    # Unlike in other messages, the resource is named by its kind here.
    named = replace(kind, plural=kind.kind)
    if options.uid is not None and options.uid != metadata["uid"]:
        why = f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
        why += "The object might have been deleted and then recreated"
        raise errors.conflict(named, metadata["name"], why)
    version = options.resource_version
    if version is not None and version != metadata["resourceVersion"]:
        why = f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
        why += f"({metadata['resourceVersion']}). The object might have been modified"
        raise errors.conflict(named, metadata["name"], why)


def marked_for_deletion(kind: ApiKind, obj: Json, options: DeleteOptions) -> Json:
    """The object with deletionTimestamp, grace period and the finalizers that its propagation policy asks for."""
    metadata = {**obj["metadata"]}
    finalizers = _finalizers(kind, metadata, options)
    grace = _grace_period(kind, obj, options.grace)
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    if "deletionTimestamp" not in metadata:
        metadata["deletionTimestamp"] = times.stamp(times.now() + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
        if "generation" in metadata:
            metadata["generation"] += 1
    elif grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionGracePeriodSeconds"] = grace
        metadata["deletionTimestamp"] = times.stamp(times.now() + timedelta(seconds=grace))
    result = {**obj, "metadata": metadata}
    if kind.plural == "namespaces" and not kind.group:
        result["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
    return result


def _finalizers(kind: ApiKind, metadata: Json, options: DeleteOptions) -> list[str]:
    propagation = options.propagation
    present = list(metadata.get("finalizers") or ())
    if propagation is None and (kind.group, kind.plural) == ("batch", "jobs"):
        options.warnings.append(_ORPHAN_WARNING)
        propagation = "Orphan"
    if propagation is None:
        return present
    kept = [item for item in present if item not in (FOREGROUND, ORPHAN)]
    extra = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(propagation, [])
    return kept + extra


def _grace_period(kind: ApiKind, obj: Json, asked: int | None) -> int:
    if kind.plural != "pods" or kind.group:
        return 0
    grace = asked if asked is not None else obj["spec"].get("terminationGracePeriodSeconds", 30)
    finished = (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if not obj["spec"].get("nodeName") or finished:
        return 0
    return max(int(grace), 0)
