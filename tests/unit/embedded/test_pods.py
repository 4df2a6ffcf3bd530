"""Environment and commands of containers, placing Pods, logs, protocol buffers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mcptasks_embedded.api import bodies
from mcptasks_embedded.api.object_protobuf import ObjectDecoder
from mcptasks_embedded.controllers.scheduler import NodeUsage, misfits, unschedulable_message
from mcptasks_embedded.kinds.api_types import ApiTypes
from mcptasks_embedded.kinds.pod_amounts import amounts_of
from mcptasks_embedded.node.container_env import (
    ConfigError,
    EnvSources,
    MountPaths,
    container_argv,
    container_env,
    expand,
)
from mcptasks_embedded.node.container_log import LINE_LIMIT, ContainerLog
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.references import GroupResource, Ref

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("$(A)$(B)", "12"),
        ("$$(A)", "$(A)"),
        ("$(NO)", "$(NO)"),
        ("$A", "$A"),
        ("$$$(A)", "$1"),
        ("a$", "a$"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


def test_mount_paths_are_replaced(tmp_path: Path) -> None:
    mounts = MountPaths({"/data": tmp_path / "d", "/data/deep": tmp_path / "x", "/tmp/": tmp_path / "t"})
    assert mounts.rewrite("/data/file") == f"{tmp_path}/d/file"
    assert mounts.rewrite("/data/deep/file") == f"{tmp_path}/x/file"
    new = uuid4().hex
    rewritten = f"--out={tmp_path}/d --tmp={tmp_path}/t/{new}:{tmp_path}/t"
    assert mounts.rewrite(f"--out=/data --tmp=/tmp/{new}:/tmp") == rewritten
    assert mounts.rewrite("/database /mydata/x x/data") == "/database /mydata/x x/data"
    assert mounts.rewrite("https://host/data") == "https://host/data"


def test_paths_of_this_machine_stay(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    mounts = MountPaths({str(tmp_path): tmp_path / "volume"})
    assert mounts.rewrite(f"{tmp_path}/here") == f"{tmp_path}/here"
    assert mounts.rewrite(f"{tmp_path}/elsewhere") == f"{tmp_path}/volume/elsewhere"


def sources(**data: Any) -> EnvSources:
    pod = {"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {}, "status": {}}
    return EnvSources(pod, lambda kind, name: data.get(f"{kind}_{name}"), {"cpu": "2"})


def test_missing_references_are_named() -> None:
    def env(**source: Any) -> Json:
        return {"env": [{"name": "X", "valueFrom": source}]}

    with pytest.raises(ConfigError, match='secret "s" not found'):
        container_env(env(secretKeyRef={"name": "s", "key": "k"}), sources())
    with pytest.raises(ConfigError, match="couldn't find key k in ConfigMap ns/c"):
        container_env(env(configMapKeyRef={"name": "c", "key": "k"}), sources(ConfigMap_c={}))
    with pytest.raises(ConfigError, match=r"unsupported fieldPath: spec\.x"):
        container_env(env(fieldRef={"fieldPath": "spec.x"}), sources())
    with pytest.raises(ConfigError, match='configmap "c" not found'):
        container_env({"envFrom": [{"configMapRef": {"name": "c"}}]}, sources())
    assert container_env({"envFrom": [{"configMapRef": {"name": "c", "optional": True}}]}, sources()) == {}


def test_entrypoint_and_command() -> None:
    assert container_argv({"args": ["$(A)"]}, {"A": "1"}, ["python"]) == ["python", "1"]
    assert container_argv({"command": ["x"], "args": ["y"]}, {}, ["python"]) == ["x", "y"]


NODE: Json = {
    "metadata": {"labels": {"disk": "hdd"}},
    "spec": {},
    "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "2", "nvidia.com/gpu": "0"}},
}


def pod(requests: Json | None = None, **spec: Any) -> Json:
    return {"spec": {"containers": [{"resources": {"requests": requests or {}}}], **spec}}


@pytest.mark.parametrize(
    ("subject", "reasons"),
    [
        (pod(), []),
        (pod({"cpu": "1500m"}), []),
        (pod({"cpu": "1501m"}), ["Insufficient cpu"]),
        (pod({"cpu": "3", "memory": "2Gi"}), ["Insufficient cpu", "Insufficient memory"]),
        (pod({"nvidia.com/gpu": "1"}), ["Insufficient nvidia.com/gpu"]),
        (pod({"unknown.dev/x": "1"}), ["Insufficient unknown.dev/x"]),
        (pod(nodeSelector={"disk": "hdd"}), []),
        (pod(nodeSelector={"disk": "ssd"}), ["node(s) didn't match Pod's node affinity/selector"]),
    ],
)
def test_placing(subject: Json, reasons: list[str]) -> None:
    usage = NodeUsage()
    usage.add(Ref(GroupResource("", "pods"), "ns", "other"), pod({"cpu": "500m"}))
    assert misfits(subject, NODE, usage) == reasons


def test_a_full_node() -> None:
    usage = NodeUsage()
    refs = [Ref(GroupResource("", "pods"), "ns", name) for name in "ab"]
    for ref in refs:
        usage.add(ref, pod({"cpu": "1"}))
        usage.add(ref, pod({"cpu": "1"}))
    assert misfits(pod(), NODE, usage) == ["Too many pods"]
    assert usage.remove(refs[0])
    assert not usage.remove(refs[0])
    assert misfits(pod({"cpu": "1"}), NODE, usage) == []
    assert unschedulable_message(["Insufficient cpu"]).startswith("0/1 nodes are available: 1 Insufficient cpu.")


def test_init_containers_take_turns() -> None:
    spec = pod({"cpu": "1"})["spec"]
    spec["initContainers"] = [{"resources": {"requests": {"cpu": "3"}}}, {"resources": {"requests": {"cpu": "2"}}}]
    assert amounts_of(spec, "requests") == {"cpu": Decimal(3)}


def test_log_keeps_the_newest_output(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / "0.log", limit=8 * LINE_LIMIT)
    for index in range(20_000):
        log.write(f"line {index}\n".encode())
    log.close()
    data, position = log.read_from(0)
    assert len(data) <= 8 * LINE_LIMIT
    assert data.endswith(b"line 19999\n")
    assert log.read_from(position) == (b"", position)
    assert log.last_output().endswith("line 19998\nline 19999\n")
    assert len(log.last_output()) <= 2048


def test_long_and_unfinished_lines(tmp_path: Path) -> None:
    seen: list[str] = []
    log = ContainerLog(tmp_path / "0.log", on_line=seen.append)
    log.write(b"x" * (LINE_LIMIT + 5))
    log.write(b"\nprogress\r50%\r")
    log.close()
    assert log.last_output().endswith("xxxxx\nprogress\r50%\r")
    assert [len(line) for line in seen] == [LINE_LIMIT, 5, 13]


def test_bad_log_options() -> None:
    with pytest.raises(ApiError):
        bodies.log_options({"sinceTime": "yesterday"})


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def test_protobuf() -> None:
    entry = _field(1, b"a") + _field(2, b"b")
    raw = _field(1, _field(1, b"name") + _field(8, b"")) + _field(2, entry)
    data = b"k8s\x00" + _field(1, _field(1, b"v1") + _field(2, b"ConfigMap")) + _field(2, raw) + _field(3, b"")
    found = ObjectDecoder(ApiTypes()).decode(data)
    assert found == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "name"}, "data": {"a": "b"}}


@pytest.mark.parametrize("data", [b"", b"{}", b"k8s\x00\x0a\xff", b"k8s\x00\x0a\x05ab", b"k8s\x00\x0f"])
def test_malformed_protobuf(data: bytes) -> None:
    with pytest.raises(ValueError):
        ObjectDecoder(ApiTypes()).decode(data)


def test_types_know_embedded_structs() -> None:
    types = ApiTypes()
    assert "secretName" not in types.fields("core.v1.Volume")
    assert "secret" in types.fields("core.v1.Volume")
    unknown: list[str] = []
    volume = {"name": "v", "secret": {"secretName": "s", "nope": 1}}
    kept = types.clean({"spec": {"volumes": [volume], "dnsPolicy": None}}, "core.v1.Pod", unknown)
    assert unknown == ["spec.volumes[0].secret.nope"]
    assert kept == {"spec": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}}
