"""Defaults of a Pod's spec, in Pods and in the templates of Jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcptasks_embedded.values.json_object import Json

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
        if is_unset(spec, name):
            spec[name] = value
    for name in ("initContainers", "containers"):
        if name in spec:
            spec[name] = [_default_container(container) for container in spec[name] or ()]
    if "volumes" in spec:
        spec["volumes"] = [_default_volume(volume) for volume in spec["volumes"] or ()]


def is_unset(obj: Json, name: str) -> bool:
    """Whether a field has no value. An empty string is none: Go does not tell them apart."""
    return obj.get(name) in (None, "")


def _default_container(container: Json) -> Json:
    image = str(container.get("image", ""))
    latest = image.endswith(":latest") or ":" not in image.rpartition("/")[2]
    defaults = {**_CONTAINER_DEFAULTS, "imagePullPolicy": "Always" if latest else "IfNotPresent"}
    return container | {name: value for name, value in defaults.items() if is_unset(container, name)}


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
