"""The real clients: kopf, the official Python client, and the product's own CRDs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kopf
import pytest
import yaml
from kubernetes.aio import client, config

from mcptasks.model.cel_rules import CEL_RULES
from mcptasks_embedded import ClusterConfig, EmbeddedClusterThread
from tests.contract.cleanup import Space
from tests.contract.client import Api
from tests.contract.jobs import job
from tests.integration.embedded.conftest import GROUP
from tests.support.polling import eventually

CRDS = Path(__file__).parents[3] / "crds"
Json = dict[str, Any]


@pytest.fixture
def operator(cluster: EmbeddedClusterThread) -> Iterator[list[tuple[str | None, str]]]:
    """A kopf operator in a thread; the events it saw, as (type, name)."""
    seen: list[tuple[str | None, str]] = []
    registry = kopf.OperatorRegistry()
    ready, stop = threading.Event(), threading.Event()

    @kopf.on.startup(registry=registry)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.scanning.disabled = True
        settings.peering.standalone = True
        settings.posting.enabled = False
        settings.networking.error_backoffs = [0.1]

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        ca = str(cluster.client_ca)
        return kopf.ConnectionInfo(server=cluster.url, ca_path=ca, token=cluster.admin_token, scheme="Bearer")

    @kopf.on.event(GROUP, "v1alpha1", "widgets", registry=registry)
    def on_event(event: Any, name: str, **_: Any) -> None:
        seen.append((event["type"], name))

    def run() -> None:
        coroutine = kopf.operator(registry=registry, namespaces=["default"], ready_flag=ready, stop_flag=stop)
        asyncio.run(coroutine)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(60)
    yield seen
    stop.set()
    thread.join(60)


def test_kopf_sees_every_event(
    api: Api, cluster: EmbeddedClusterThread, operator: list[tuple[str | None, str]]
) -> None:
    path = Space("default").path("widgets", group=f"{GROUP}/v1alpha1")
    body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Widget", "metadata": {"name": "k1"}, "spec": {"size": 1}}

    def make(name: str) -> None:
        api.post(path, {**body, "metadata": {"name": name}}).ok(201)

    def saw(name: str, *types: str | None) -> Callable[[], bool]:
        return lambda: any((event_type, name) in operator for event_type in types)

    # An object that kopf finds in a listing has no event type.
    # One after the other: kopf handles only the last of the events that come within a tenth of a second.
    make("k1")
    eventually("it sees k1", saw("k1", None, "ADDED"))
    api.patch(f"{path}/k1", {"spec": {"size": 2}}).ok()
    eventually("it sees the change of k1", saw("k1", "MODIFIED"))
    api.delete(f"{path}/k1").ok()
    eventually("it sees the end of k1", saw("k1", "DELETED"))
    cluster.call(cluster.cluster.drop_watches)
    make("k2")
    eventually("it sees k2", saw("k2", None, "ADDED"))
    cluster.call(cluster.cluster.compact)
    cluster.call(cluster.cluster.drop_watches)
    make("k3")
    eventually("it sees k3", saw("k3", None, "ADDED"), 60)
    cluster.run(cluster.cluster.stop_api())
    cluster.run(cluster.cluster.start_api())
    make("k4")
    eventually("it sees k4", saw("k4", None, "ADDED"), 60)


@pytest.mark.anyio
async def test_official_python_client(cluster: EmbeddedClusterThread) -> None:
    configuration = client.Configuration()
    await config.load_kube_config(str(cluster.kubeconfig), client_configuration=configuration)
    async with client.ApiClient(configuration) as connection:
        custom: Any = client.CustomObjectsApi(connection)
        where = (GROUP, "v1alpha1", "default", "widgets")
        body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
        made = await custom.create_namespaced_custom_object(*where, body)
        assert made["metadata"]["uid"]
        await custom.patch_namespaced_custom_object_status(*where, "w", {"status": {"phase": "Running"}})
        found = await custom.list_namespaced_custom_object(*where, field_selector="status.phase=Running")
        assert [item["metadata"]["name"] for item in found["items"]] == ["w"]
        with pytest.raises(client.ApiException) as refusal:
            await custom.create_namespaced_custom_object(*where, body)
        assert refusal.value.status == 409
        await custom.delete_namespaced_custom_object(*where, "w")
        core: Any = client.CoreV1Api(connection)
        nodes = await core.list_node()
        assert [node.metadata.name for node in nodes.items] == ["local"]
        batch: Any = client.BatchV1Api(connection)
        await batch.create_namespaced_job("default", {"apiVersion": "batch/v1", "kind": "Job", **job("typed")})
        jobs = await batch.list_namespaced_job("default", label_selector="")
        assert "typed" in [item.metadata.name for item in jobs.items]
        for _ in range(600):
            read = await batch.read_namespaced_job_status("typed", "default")
            if read.status.succeeded:
                break
            await asyncio.sleep(0.1)
        pods = await core.list_namespaced_pod("default", label_selector="job-name=typed")
        assert pods.items[0].status.container_statuses[0].state.terminated.exit_code == 0
        assert (await core.list_namespaced_event("default")).items


def test_the_products_definitions() -> None:
    """The rules of the real CRDs hold in the embedded cluster."""
    crds = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]
    with EmbeddedClusterThread(ClusterConfig(crds=crds, rules=CEL_RULES)) as cluster:
        api = Api.of(cluster.kubeconfig)
        with api.http, api.anonymous:
            path = Space("default").path("mcptasks", group="mcptasks.dev/v1alpha1")
            spec = {"server": "s", "component": {"kind": "tool", "name": "t"}, "arguments": {"a": [1, None]}}
            body = {"apiVersion": "mcptasks.dev/v1alpha1", "kind": "McpTask", "metadata": {"name": "a"}, "spec": spec}
            made = api.post(path, body).ok(201)
            assert made["spec"]["arguments"] == {"a": [1, None]}
            assert api.patch(f"{path}/a", {"spec": {"server": "other"}}).code == 422
            for changed in ([2, None], [True, None], [1], [1, 0]):
                assert api.patch(f"{path}/a", {"spec": {"arguments": {"a": changed}}}).code == 422, changed
            api.patch(f"{path}/a", {"spec": {"cancel": True}}).ok()
            assert api.patch(f"{path}/a", {"spec": {"cancel": False}}).code == 422
            api.patch(f"{path}/a/status", {"status": {"phase": "cancelled"}}).ok()
            flipped = api.patch(f"{path}/a/status", {"status": {"phase": "completed"}})
            assert flipped.code == 422
            assert api.patch(f"{path}/a/status", {"status": {"phase": "nonsense"}}).code == 422
