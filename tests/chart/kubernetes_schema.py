"""Whether an object is one of the Kubernetes API: the fields and types that the `kubernetes` package knows."""

from __future__ import annotations

import re
from typing import Any

from kubernetes.aio import client

from mcptasks.model.base import JsonObject

MODELS = {
    "ClusterRole": "V1ClusterRole",
    "ClusterRoleBinding": "V1ClusterRoleBinding",
    "ConfigMap": "V1ConfigMap",
    "Deployment": "V1Deployment",
    "HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler",
    "Ingress": "V1Ingress",
    "Job": "V1Job",
    "NetworkPolicy": "V1NetworkPolicy",
    "Pod": "V1Pod",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "PodTemplate": "V1PodTemplateSpec",
    "Role": "V1Role",
    "RoleBinding": "V1RoleBinding",
    "Secret": "V1Secret",
    "Service": "V1Service",
    "ServiceAccount": "V1ServiceAccount",
    "ValidatingAdmissionPolicy": "V1ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding": "V1ValidatingAdmissionPolicyBinding",
}
SIMPLE: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": (int, float),
    "object": (str, int, dict),
    "datetime": str,
}


def faults(item: JsonObject) -> list[str]:
    """What is wrong with an object of a kind in MODELS."""
    return _faults(item, MODELS[item["kind"]], item["kind"])


def faults_of_pod_template(template: JsonObject) -> list[str]:
    """What is wrong with a PodTemplateSpec."""
    return _faults(template, MODELS["PodTemplate"], "podTemplate")


def _faults(value: Any, kind: str, path: str) -> list[str]:
    if match := re.fullmatch(r"List\[(.+)]", kind):
        if not isinstance(value, list):
            return [f"{path}: not a list but {value!r}"]
        return [fault for index, one in enumerate(value) for fault in _faults(one, match[1], f"{path}[{index}]")]
    if match := re.fullmatch(r"Dict\[str, (.+)]", kind):
        if not isinstance(value, dict):
            return [f"{path}: not a map but {value!r}"]
        inner = "object" if path.endswith((".limits", ".requests")) else match[1]
        return [fault for key, one in value.items() for fault in _faults(one, inner, f"{path}.{key}")]
    if kind in SIMPLE:
        wrong = not isinstance(value, SIMPLE[kind]) or (kind == "int" and isinstance(value, bool))
        return [f"{path}: not {kind} but {value!r}"] if wrong else []
    return _faults_of_model(value, kind, path)


def _faults_of_model(value: Any, kind: str, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: not an object but {value!r}"]
    model = getattr(client, kind)
    types = {json: model.openapi_types[name] for name, json in model.attribute_map.items()}
    found = []
    for key, one in value.items():
        found += _faults(one, types[key], f"{path}.{key}") if key in types else [f"{path}.{key}: no such field"]
    return found
