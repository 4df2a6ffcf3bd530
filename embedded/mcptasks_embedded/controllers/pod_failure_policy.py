"""podFailurePolicy: which rule of a Job matches a failed Pod. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from mcptasks_embedded.values.json_object import Json


@dataclass(frozen=True, slots=True)
class PodFailureVerdict:
    """A podFailurePolicy rule that matched a failed Pod."""

    action: str
    message: str


def failure_verdict(policy: Json | None, pod: Json) -> PodFailureVerdict | None:
    """The first rule that matches a failed Pod."""
    for index, rule in enumerate((policy or {}).get("rules") or ()):
        what = _exit_code_match(rule["onExitCodes"], pod) if rule.get("onExitCodes") else _condition_match(rule, pod)
        if what:
            return PodFailureVerdict(rule["action"], f"{what} matching {rule['action']} rule at index {index}")
    return None


def _pod_name(pod: Json) -> str:
    return f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"


def _exit_code_match(requirement: Json, pod: Json) -> str:
    status = pod.get("status") or {}
    for container in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
        wanted = requirement.get("containerName")
        terminated = (container.get("state") or {}).get("terminated")
        if terminated is None or not terminated.get("exitCode") or (wanted and container["name"] != wanted):
            continue
        code = terminated["exitCode"]
        if (code in requirement["values"]) == (requirement["operator"] == "In"):
            return f"Container {container['name']} for pod {_pod_name(pod)} failed with exit code {code}"
    return ""


def _condition_match(rule: Json, pod: Json) -> str:
    present = {c["type"]: c["status"] for c in (pod.get("status") or {}).get("conditions") or ()}
    for pattern in rule.get("onPodConditions") or ():
        if present.get(pattern["type"]) == pattern.get("status", "True"):
            return f"Pod {_pod_name(pod)} has condition {pattern['type']}"
    return ""
