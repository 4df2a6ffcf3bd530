"""Placing Pods."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mcptasks_embedded.controllers.scheduler import NodeUsage, misfits, unschedulable_message
from mcptasks_embedded.kinds.pod_amounts import amounts_of
from mcptasks_embedded.values.references import GroupResource, Ref

Json = dict[str, Any]
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
