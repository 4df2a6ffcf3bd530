"""Pods as processes: environment, volumes, ends, logs, limits."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from mcptasks_embedded import EmbeddedClusterThread
from tests.contract.cleanup import Space
from tests.contract.client import Api
from tests.contract.jobs import condition
from tests.integration.embedded.pods import ended, gone, log, pod, read, sh, start, terminated, wait_phase
from tests.support.polling import eventually

Json = dict[str, Any]

ESCAPE = """
import os, sys, time
print(os.getpid(), flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(os.getpid(), flush=True)
        time.sleep(600)
    os._exit(0)
time.sleep(float(sys.argv[1]))
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids(text: str) -> list[int]:
    return [int(line) for line in text.split()]


def test_environment(api: Api, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    api.post(space.path("configmaps"), {"metadata": {"name": "c"}, "data": {"k": "from-map", "A": "1"}}).ok(201)
    api.post(space.path("secrets"), {"metadata": {"name": "s"}, "stringData": {"k": "from-secret"}}).ok(201)
    env = [
        {"name": "PLAIN", "value": "p"},
        {"name": "COMPOSED", "value": "$(PLAIN)-$(NOPE)-$$(PLAIN)"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "OPTIONAL", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": True}}},
        {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]
    script = "import os, json; print(json.dumps(dict(os.environ)))"
    container = {"env": env, "envFrom": [{"prefix": "M_", "configMapRef": {"name": "c"}}]}
    body = pod("a", ["python", "-c", script], container)
    body["metadata"]["labels"] = {"app": "tool"}
    start(api, space, body)
    ended(api, space, "a")
    found = json.loads(log(api, space, "a"))
    wanted = {"PLAIN": "p", "COMPOSED": "p-$(NOPE)-$(PLAIN)", "POD": "a", "LABEL": "tool"}
    wanted |= {"NODE": "local", "MAP": "from-map", "SECRET": "from-secret", "M_A": "1", "HOSTNAME": "a"}
    assert {key: found.get(key) for key in wanted} == wanted
    assert found["IP"].startswith("127.")
    assert found["CPUS"] == str(os.cpu_count())
    assert "OPTIONAL" not in found
    assert "SECRET_OF_THE_HOST" not in found
    assert found["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_entrypoint_takes_arguments(api: Api, space: Space) -> None:
    start(api, space, pod("a", None, {"args": ["one", "two"]}))
    ended(api, space, "a")
    assert log(api, space, "a") == "entrypoint one two\n"


def test_volumes(api: Api, space: Space) -> None:
    api.post(space.path("configmaps"), {"metadata": {"name": "c"}, "data": {"k": "v"}}).ok(201)
    api.post(space.path("secrets"), {"metadata": {"name": "s"}, "stringData": {"a": "1", "b": "2"}}).ok(201)
    token = {"serviceAccountToken": {"audience": "gateway", "expirationSeconds": 600, "path": "token"}}
    downward = {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}
    volumes = [
        {"name": "map", "configMap": {"name": "c"}},
        {"name": "secret", "secret": {"secretName": "s", "items": [{"key": "b", "path": "deep/b"}]}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "all", "projected": {"sources": [token, downward]}},
    ]
    mounts = [
        {"name": "map", "mountPath": "/etc/map"},
        {"name": "secret", "mountPath": "/etc/secret"},
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "all", "mountPath": "/var/run/all"},
    ]
    script = "cat $MAP /etc/secret/deep/b; ls /etc/secret; echo x > /tmp/file; cat /var/run/all/name; echo; cat $TOKEN"
    env = [{"name": "MAP", "value": "/etc/map/k"}, {"name": "TOKEN", "value": "/var/run/all/token"}]
    made = start(api, space, pod("a", sh(script), {"volumeMounts": mounts, "env": env}, volumes=volumes))
    ended(api, space, "a")
    first, name, text = log(api, space, "a").split("\n")[:3]
    assert first == "v2deep"
    assert name == "a"
    part = text.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["aud"] == ["gateway"]
    assert claims["kubernetes.io"]["pod"] == {"name": "a", "uid": made["metadata"]["uid"]}
    spec = {"token": text, "audiences": ["gateway"]}
    status = api.post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": spec}).ok(201)["status"]
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["a"]


def test_volume_that_comes_late(api: Api, space: Space) -> None:
    volumes = [{"name": "v", "secret": {"secretName": "late"}}]
    mounts = [{"name": "v", "mountPath": "/v"}]
    start(api, space, pod("a", sh("cat /v/k"), {"volumeMounts": mounts}, volumes=volumes))

    def warned() -> bool:
        events = api.get(space.path("events"), fieldSelector="reason=FailedMount").ok()["items"]
        return any('secret "late" not found' in event["message"] for event in events)

    eventually("an event tells of the missing Secret", warned)
    assert read(api, space, "a")["status"]["phase"] == "Pending"
    api.post(space.path("secrets"), {"metadata": {"name": "late"}, "stringData": {"k": "here"}}).ok(201)
    ended(api, space, "a")
    assert log(api, space, "a") == "here"


def test_files_of_this_machine_stay_reachable(api: Api, space: Space, tmp_path: Path) -> None:
    """A Pod may mount /tmp although a path below /tmp was given that exists only here."""
    script = tmp_path / "tool.py"
    script.write_text("print('ran')")
    volumes = [{"name": "tmp", "emptyDir": {}}]
    mounts = [{"name": "tmp", "mountPath": str(tmp_path.parents[2])}]
    start(api, space, pod("a", ["python", str(script)], {"volumeMounts": mounts}, volumes=volumes))
    ended(api, space, "a")
    assert log(api, space, "a") == "ran\n"


def test_init_containers(api: Api, space: Space) -> None:
    mount = {"name": "shared", "mountPath": "/shared"}
    prepare = sh("echo prepared > /shared/f")
    init: list[Json] = [{"name": "init", "image": "x", "command": prepare, "volumeMounts": [mount]}]
    spec = {"initContainers": init, "volumes": [{"name": "shared", "emptyDir": {}}]}
    start(api, space, pod("a", sh("cat /shared/f"), {"volumeMounts": [mount]}, **spec))
    assert ended(api, space, "a")["status"]["phase"] == "Succeeded"
    assert log(api, space, "a", container="main") == "prepared\n"
    failing = [{"name": "init", "image": "x", "command": sh("exit 2")}]
    start(api, space, pod("b", sh("true"), initContainers=failing))
    assert ended(api, space, "b")["status"]["phase"] == "Failed"


def test_restart_on_failure(api: Api, space: Space) -> None:
    volumes = [{"name": "v", "emptyDir": {}}]
    script = "if [ -e /v/f ]; then echo second; else touch /v/f; echo first; exit 1; fi"
    body = pod("a", sh(script), {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=volumes)
    body["spec"]["restartPolicy"] = "OnFailure"
    start(api, space, body)
    found = ended(api, space, "a")
    assert found["status"]["containerStatuses"][0]["restartCount"] == 1
    assert log(api, space, "a") == "second\n"
    assert log(api, space, "a", previous="true") == "first\n"


def test_sigterm_then_sigkill(api: Api, space: Space) -> None:
    body = pod("a", sh("trap 'echo caught' TERM; echo up; while true; do sleep 0.1; done"))
    body["spec"]["terminationGracePeriodSeconds"] = 1
    body["metadata"]["finalizers"] = ["test.dev/hold"]
    start(api, space, body)
    eventually("the container runs", lambda: wait_phase(api, space, "a", "Running") and "up" in log(api, space, "a"))
    begin = time.monotonic()
    api.delete(space.path("pods", "a")).ok()
    found = ended(api, space, "a")
    assert time.monotonic() - begin >= 1
    assert (terminated(found)["exitCode"], terminated(found)["reason"]) == (137, "Error")
    assert log(api, space, "a").startswith("up\ncaught")
    api.patch(space.path("pods", "a"), {"metadata": {"finalizers": None}})
    gone(api, space, "a")


def test_exit_code_of_a_signal(api: Api, space: Space) -> None:
    start(api, space, pod("a", sh("kill -SEGV $$$$")))
    assert terminated(ended(api, space, "a"))["exitCode"] == 128 + signal.SIGSEGV


@pytest.mark.parametrize("seconds", ["0.3", "600"])
def test_nothing_survives_its_container(api: Api, space: Space, seconds: str) -> None:
    """A daemon in a session of its own, deaf to SIGTERM, ends with the main process or with the Pod."""
    start(api, space, pod("a", ["python", "-c", ESCAPE, seconds], terminationGracePeriodSeconds=1))
    eventually(
        "both processes have told their ids",
        lambda: wait_phase(api, space, "a", "Running", "Succeeded") and len(pids(log(api, space, "a"))) == 2,
    )
    found = pids(log(api, space, "a"))
    if seconds == "600":
        assert all(alive(pid) for pid in found)
        api.delete(space.path("pods", "a")).ok()
        gone(api, space, "a")
    else:
        ended(api, space, "a")
    assert not any(alive(pid) for pid in found)


def test_force_delete(api: Api, space: Space, cluster: EmbeddedClusterThread) -> None:
    made = start(api, space, pod("a", sh("trap '' TERM; while true; do sleep 1; done")))
    wait_phase(api, space, "a", "Running")
    pid = cluster.call(cluster.cluster.processes)[f"{made['metadata']['uid']}/main"]
    api.delete(space.path("pods", "a"), gracePeriodSeconds=0).ok()
    assert api.get(space.path("pods", "a")).code == 404
    eventually("the process is gone", lambda: not alive(pid))


def test_out_of_memory(api: Api, space: Space) -> None:
    script = "import time\nx = [bytearray(1024 * 1024) for _ in range(400)]\ntime.sleep(60)"
    resources = {"limits": {"memory": "64Mi"}}
    start(api, space, pod("a", ["python", "-c", script], {"resources": resources}))
    state = terminated(ended(api, space, "a"))
    assert (state["exitCode"], state["reason"]) == (137, "OOMKilled")


def test_memory_of_children_counts(api: Api, space: Space) -> None:
    child = "import time; x = bytearray(b'1') * (200 * 1024 * 1024); time.sleep(60)"
    resources = {"limits": {"memory": "64Mi"}}
    script = f'python -c "{child}" & wait'
    start(api, space, pod("a", sh(script), {"resources": resources}))
    assert terminated(ended(api, space, "a"))["reason"] == "OOMKilled"


def test_log_options(api: Api, space: Space, lines: list[tuple[str, str, str]]) -> None:
    start(api, space, pod("a", sh("for i in 1 2 3 4; do echo line $i; done; printf 'no end'")))
    ended(api, space, "a")
    assert log(api, space, "a") == "line 1\nline 2\nline 3\nline 4\nno end"
    assert log(api, space, "a", tailLines=2).splitlines() == ["line 4", "no end"]
    assert log(api, space, "a", limitBytes=8) == "line 1\nl"
    stamped = log(api, space, "a", timestamps="true").splitlines()[0]
    assert stamped.endswith("Z line 1")
    assert log(api, space, "a", sinceTime="2999-01-01T00:00:00Z") == ""
    assert api.get(space.path("pods", "a", "log"), container="nope").code == 400
    assert api.get(space.path("pods", "a", "log"), tailLines="x").code == 400
    assert ("a", "main", "line 1") in lines


def test_log_follows(api: Api, space: Space) -> None:
    start(api, space, pod("a", sh("for i in 1 2 3; do echo $i; sleep 0.2; done")))
    wait_phase(api, space, "a", "Running", "Succeeded")
    with api.http.stream("GET", space.path("pods", "a", "log"), params={"follow": "true"}) as response:
        assert list(response.iter_lines()) == ["1", "2", "3"]


def test_a_flood_of_output_is_bounded(api: Api, space: Space, cluster: EmbeddedClusterThread) -> None:
    made = start(api, space, pod("a", sh("yes 0123456789012345678901234567890123456789")))
    wait_phase(api, space, "a", "Running")
    directory = cluster.cluster.data_dir / "pods" / made["metadata"]["uid"] / "logs"
    slowest = 0.0
    for _ in range(30):
        begin = time.monotonic()
        api.get("/readyz")
        slowest = max(slowest, time.monotonic() - begin)
        time.sleep(0.1)
        assert sum(path.stat().st_size for path in directory.rglob("*.*")) < 11 * 1024 * 1024
    assert slowest < 10
    api.delete(space.path("pods", "a"), gracePeriodSeconds=0)


def test_pod_deadline_has_a_grace(api: Api, space: Space) -> None:
    start(api, space, pod("a", sh("exec sleep 60"), activeDeadlineSeconds=1))
    found = ended(api, space, "a")
    assert found["status"]["reason"] == "DeadlineExceeded"
    assert terminated(found)["exitCode"] == 143


def test_termination_message_file(api: Api, space: Space) -> None:
    script = "echo from file > /dev/termination-log"
    start(api, space, pod("a", sh(script)))
    assert terminated(ended(api, space, "a"))["message"] == "from file\n"


def test_selector_that_matches_no_node(api: Api, space: Space) -> None:
    start(api, space, pod("a", sh("true"), nodeSelector={"disk": "ssd"}))
    found = eventually(
        "the Pod cannot be scheduled",
        lambda: [c for c in read(api, space, "a")["status"].get("conditions", []) if c["status"] == "False"],
    )
    assert found[0]["reason"] == "Unschedulable"
    assert "didn't match Pod's node affinity/selector" in found[0]["message"]
    api.delete(space.path("pods", "a")).ok()
    gone(api, space, "a")


def test_eviction_marks_and_ends(api: Api, space: Space) -> None:
    body = pod("a", sh("exec sleep 60"))
    body["metadata"]["finalizers"] = ["test.dev/hold"]
    start(api, space, body)
    wait_phase(api, space, "a", "Running")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    api.post(space.path("pods", "a", "eviction"), eviction).ok(201)
    found = ended(api, space, "a")
    assert found["status"]["phase"] == "Failed"
    assert (condition(found, "DisruptionTarget") or {})["reason"] == "EvictionByEvictionAPI"
    api.patch(space.path("pods", "a"), {"metadata": {"finalizers": None}}).ok()
    gone(api, space, "a")


def test_files_go_with_the_pod(api: Api, space: Space, cluster: EmbeddedClusterThread) -> None:
    made = start(api, space, pod("a", sh("echo x > here; echo y > $TMPDIR/there")))
    ended(api, space, "a")
    uid = made["metadata"]["uid"].replace("-", "")
    (directory,) = [path for path in (cluster.cluster.data_dir / "pods").iterdir() if uid.startswith(path.name)]
    api.delete(space.path("pods", "a")).ok()
    eventually("its files are gone", lambda: not directory.exists())


def test_many_pods_at_once(api: Api, space: Space) -> None:
    count = 130
    for index in range(count):
        start(api, space, pod(f"p{index}", sh("exec sleep 0.2")))

    def done() -> bool:
        items = api.get(space.path("pods"), fieldSelector="status.phase=Succeeded").ok()["items"]
        return len(items) == count

    eventually("all Pods succeed", done, 180, 0.2)


def test_following_a_log_of_a_pod_that_is_deleted(api: Api, space: Space) -> None:
    start(api, space, pod("a", sh("echo up; exec sleep 60")))
    wait_phase(api, space, "a", "Running")
    seen: list[str] = []

    def follow() -> None:
        with api.http.stream("GET", space.path("pods", "a", "log"), params={"follow": "true"}) as response:
            for line in response.iter_lines():
                seen.append(line)  # noqa: PERF402 (each line as it comes)

    thread = threading.Thread(target=follow)
    thread.start()
    eventually("the line has come", lambda: seen == ["up"])
    api.delete(space.path("pods", "a")).ok()
    thread.join(60)
    assert not thread.is_alive()
    assert seen == ["up"]
