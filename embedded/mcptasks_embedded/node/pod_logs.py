"""Which container's log a request means, and the error when it has none. Pure functions."""

from __future__ import annotations

from mcptasks_embedded.values import errors
from mcptasks_embedded.values.json_object import Json


def container_name(pod: Json, wanted: str) -> str:
    """The container whose log is meant: the named one, or the only one. Raises ApiError 400."""
    names = [c["name"] for key in ("initContainers", "containers") for c in pod["spec"].get(key) or ()]
    pod_name = pod["metadata"]["name"]
    if wanted and wanted not in names:
        raise errors.bad_request(f"container {wanted} is not valid for pod {pod_name}")
    if not wanted and len(names) > 1:
        listed = " ".join(names)
        message = f"a container name must be specified for pod {pod_name}, choose one of: [{listed}]"
        raise errors.bad_request(message)
    return wanted or names[0]


def no_log_error(pod: Json, name: str, previous: bool) -> errors.ApiError:
    """Why a container has no log (yet)."""
    pod_name = pod["metadata"]["name"]
    if previous:
        return errors.bad_request(f'previous terminated container "{name}" in pod "{pod_name}" not found')
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    reasons = [s["state"]["waiting"]["reason"] for s in statuses if s["name"] == name and "waiting" in s["state"]]
    reason = reasons[0] if reasons else "ContainerCreating"
    known = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
    why = known.get(reason, reason)
    return errors.bad_request(f'container "{name}" in pod "{pod_name}" is waiting to start: {why}')
