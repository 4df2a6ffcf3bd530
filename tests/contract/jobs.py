"""Jobs and their Pods, as the contract's tests make and read them."""

from __future__ import annotations

from typing import Any

from tests.contract.cleanup import Space
from tests.contract.client import Api, Json
from tests.support.polling import eventually


def job(name: str, script: str = "true", image: str = "x", pod: Json | None = None, **spec: Any) -> Json:
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}
    pod_spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": [container], **(pod or {})}
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": pod_spec}, **spec}}


def condition(obj: Json, kind: str) -> Json | None:
    for item in (obj.get("status") or {}).get("conditions") or ():
        if item["type"] == kind and item["status"] == "True":
            return dict(item)
    return None


def pods_of(api: Api, space: Space, name: str) -> list[Json]:
    items: list[Json] = api.get(space.path("pods"), labelSelector=f"batch.kubernetes.io/job-name={name}").ok()["items"]
    return items


def running(api: Api, space: Space, name: str) -> list[str]:
    """Names of the Job's Pods that run."""
    return [pod["metadata"]["name"] for pod in pods_of(api, space, name) if pod["status"].get("phase") == "Running"]


def finished(api: Api, space: Space, name: str) -> Json:
    def look() -> Json | None:
        found: Json = api.get(space.jobs(name)).ok()
        return found if condition(found, "Complete") or condition(found, "Failed") else None

    done: Json = eventually(f"{name} has finished", look, 90)
    return done
