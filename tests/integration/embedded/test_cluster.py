"""Starting, stopping, and what may go wrong with a cluster."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import psutil
import pytest

from mcptasks_embedded import ClusterConfig, ClusterError, EmbeddedCluster, EmbeddedClusterThread
from tests.contract.cleanup import Space
from tests.contract.client import Api
from tests.contract.widgets import widget_crd
from tests.integration.embedded.pods import pod, sh, start, wait_phase
from tests.support.polling import eventually

DEFAULT = Space("default")


@pytest.mark.anyio
async def test_in_the_callers_loop(tmp_path: Path) -> None:
    async with EmbeddedCluster(ClusterConfig(data_dir=tmp_path / "data")) as cluster:
        assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
        assert cluster.url.startswith("https://127.0.0.1:")
        kubeconfig = cluster.kubeconfig
    assert not kubeconfig.exists()
    assert not (tmp_path / "data" / "pods").exists()


def test_everything_ends_with_the_cluster() -> None:
    cluster = EmbeddedClusterThread()
    with cluster:
        api = Api.of(cluster.kubeconfig)
        with api.http, api.anonymous:
            start(api, DEFAULT, pod("a", sh("trap '' TERM; sleep 600 & while true; do sleep 1; done")))
            wait_phase(api, DEFAULT, "a", "Running")
            pids = list(cluster.call(cluster.cluster.processes).values())
        directory = cluster.cluster.data_dir
        assert directory.exists()
    assert not directory.exists()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ClusterError, match=f"port {port} on 127.0.0.1 is in use"):
            EmbeddedClusterThread(ClusterConfig(port=port)).start()


def test_a_rule_without_an_equivalent_is_refused() -> None:
    with EmbeddedClusterThread() as cluster:
        api = Api.of(cluster.kubeconfig)
        with api.http, api.anonymous:
            reply = api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", widget_crd("example.dev"))
    assert reply.code == 422
    assert "no equivalent of this validation rule" in reply.message


def test_api_outage_keeps_the_objects() -> None:
    with EmbeddedClusterThread() as cluster:
        api = Api.of(cluster.kubeconfig)
        with api.http, api.anonymous:
            api.post(DEFAULT.path("configmaps"), {"metadata": {"name": "a"}}).ok(201)
            cluster.run(cluster.cluster.stop_api())
            with pytest.raises(httpx2.TransportError):
                api.get("/readyz")
            url = cluster.url
            cluster.run(cluster.cluster.start_api())
            assert cluster.url == url
            assert api.get(DEFAULT.path("configmaps", "a")).code == 200


def test_compaction_answers_410() -> None:
    with EmbeddedClusterThread() as cluster:
        api = Api.of(cluster.kubeconfig)
        with api.http, api.anonymous:
            version = api.get(DEFAULT.path("configmaps")).ok()["metadata"]["resourceVersion"]
            api.post(DEFAULT.path("configmaps"), {"metadata": {"name": "a"}}).ok(201)
            cluster.call(cluster.cluster.compact)
            [event] = list(api.watch(DEFAULT.path("configmaps"), 5, resourceVersion=version))
            assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_dropped_watches_end() -> None:
    with EmbeddedClusterThread() as cluster:
        api = Api.of(cluster.kubeconfig)
        with api.http, api.anonymous:
            begin = time.monotonic()
            watch = api.watch(DEFAULT.path("serviceaccounts"), 60)
            assert next(watch)["type"] == "ADDED"
            cluster.call(cluster.cluster.drop_watches)
            assert list(watch) == []
            assert time.monotonic() - begin < 50


def test_paused_job_controller() -> None:
    container = {"name": "c", "image": "x", "command": ["true"]}
    body = {
        "metadata": {"name": "a"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }
    with EmbeddedClusterThread() as cluster:
        api = Api.of(cluster.kubeconfig)
        with api.http, api.anonymous:
            cluster.call(cluster.cluster.pause_jobs)
            api.post(DEFAULT.jobs(), body).ok(201)
            time.sleep(0.3)
            assert api.get(DEFAULT.path("pods")).ok()["items"] == []
            cluster.call(cluster.cluster.resume_jobs)
            eventually("the Job succeeds", lambda: api.get(DEFAULT.jobs("a")).ok()["status"].get("succeeded") == 1)


HOST = """
import sys, time, json
from pathlib import Path
from mcptasks_embedded import EmbeddedClusterThread
cluster = EmbeddedClusterThread().start()
print(cluster.kubeconfig, flush=True)
time.sleep(600)
"""


def _start_family(api: Api) -> list[int]:
    """A Pod of two processes in two sessions; their pids."""
    with api.http, api.anonymous:
        start(api, DEFAULT, pod("a", sh("(setsid sleep 600 & echo $!); echo $$$$; exec sleep 600")))
        wait_phase(api, DEFAULT, "a", "Running")

        def log() -> list[str]:
            return str(api.get(DEFAULT.path("pods", "a", "log")).body).split()

        eventually("both processes have told their ids", lambda: len(log()) == 2)
        return [int(text) for text in log()]


def test_pods_do_not_outlive_a_killed_host() -> None:
    """SIGKILL leaves no chance to clean up; the watchdog does it, grandchildren included."""
    host = subprocess.Popen([sys.executable, "-c", HOST], stdout=subprocess.PIPE, text=True)
    with host:
        try:
            assert host.stdout is not None
            kubeconfig = Path(host.stdout.readline().strip())
            pids = _start_family(Api.of(kubeconfig))
            assert all(psutil.pid_exists(pid) for pid in pids)
        finally:
            os.kill(host.pid, signal.SIGKILL)

    def dead() -> bool:
        return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)

    eventually("the processes are gone", dead)
    eventually("the files are gone", lambda: not kubeconfig.parent.exists())
