"""Environment, command and mount paths of containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mcptasks_embedded.node.container_env import (
    ConfigError,
    EnvSources,
    MountPaths,
    container_argv,
    container_env,
    expand,
)

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


def pod(requests: Json | None = None, **spec: Any) -> Json:
    return {"spec": {"containers": [{"resources": {"requests": requests or {}}}], **spec}}
