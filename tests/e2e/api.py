"""Reads the API server without a process of kubectl for each look: for tests that look many times a second."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from mcptasks.model.base import JsonObject
from tests.support.kubeconfig import KubeconfigAccess


class ClusterApi:
    """A client of the API server that a kubeconfig names. Use as a context manager."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        server = KubeconfigAccess.of(kubeconfig)
        self.server = server.url
        self.namespace = namespace
        self._http = server.client(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str) -> JsonObject:
        """The object at the path. Raises httpx2.HTTPError."""
        response = self._http.get(path)
        response.raise_for_status()
        found: JsonObject = response.json()
        return found

    def tasks(self) -> dict[str, JsonObject]:
        return {item["metadata"]["name"]: item for item in self._items("apis/mcptasks.dev/v1alpha1", "mcptasks")}

    def task(self, name: str) -> JsonObject | None:
        """The task, or None where there is none."""
        response = self._http.get(f"/apis/mcptasks.dev/v1alpha1/namespaces/{self.namespace}/mcptasks/{name}")
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        response.raise_for_status()
        found: JsonObject = response.json()
        return found

    def jobs(self, task_id: str | None = None) -> list[JsonObject]:
        """All Jobs, or the task's."""
        return self._items("apis/batch/v1", "jobs", task_id)

    def pods(self, task_id: str | None = None) -> list[JsonObject]:
        """All Pods, or the task's."""
        return self._items("api/v1", "pods", task_id)

    def log(self, pod: str) -> str:
        """What the Pod's container has printed so far."""
        response = self._http.get(f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log")
        response.raise_for_status()
        return response.text

    def lease(self, name: str) -> JsonObject:
        return self.get(f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{name}")

    def _items(self, group: str, plural: str, task_id: str | None = None) -> list[JsonObject]:
        selector = f"?labelSelector=mcptasks.dev/task%3D{task_id}" if task_id else ""
        items: list[JsonObject] = self.get(f"/{group}/namespaces/{self.namespace}/{plural}{selector}")["items"]
        return items


def task_of(item: JsonObject) -> str | None:
    """Id of the task that a Job or Pod belongs to."""
    label: str | None = (item["metadata"].get("labels") or {}).get("mcptasks.dev/task")
    return label
