"""The templates that the end-to-end tests' tools name."""

from __future__ import annotations

import copy
from typing import Any

from mcptasks.model.base import API_VERSION, JsonObject
from mcptasks.model.task_template import Executor


def _template(
    namespace: str, name: str, container: JsonObject, pod: JsonObject | None = None, **spec: Any
) -> JsonObject:
    pod_spec = {
        "serviceAccountName": "mcptasks-runner",
        "terminationGracePeriodSeconds": 3,
        **(pod or {}),
        "containers": [{"name": "runner", "imagePullPolicy": "IfNotPresent", **container}],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "McpTaskTemplate",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"startDeadlineSeconds": 120, "timeoutSeconds": 300, **spec, "podTemplate": {"spec": pod_spec}},
    }


WARMED = ("default", "small", "burst")
"""Templates whose tools can be run by workers: the others are about Pods that cannot start."""

WARM = {"minWorkers": 1, "maxWorkers": 2, "tasksPerWorker": 0, "concurrency": 4}


def warmed(template: JsonObject, module: str) -> JsonObject:
    """The template with workers that have loaded the module."""
    spec = copy.deepcopy(template["spec"])
    (runner,) = spec["podTemplate"]["spec"]["containers"]
    runner["env"] = [*runner.get("env", []), {"name": "MCPTASKS_MODULE", "value": module}]
    return {**template, "spec": {**spec, "executor": Executor.WARM.value, "warm": WARM}}


def templates(namespace: str, image: str, executor: Executor, module: str) -> list[JsonObject]:
    """Those of the tests, for Pods or for workers that have loaded the module."""
    cold = job_templates(namespace, image)
    if executor is Executor.JOB:
        return cold
    return [warmed(each, module) if each["metadata"]["name"] in WARMED else each for each in cold]


def job_templates(namespace: str, image: str) -> list[JsonObject]:
    """`default`, one for bursts, and one for each way in which a Pod cannot start or survive."""
    small = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    tiny = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "160Mi"}}
    # So few at a time that they do not starve each other, the server and the node. The others wait for their turn, for
    # longer than the start deadline.
    fair = {"requests": {"cpu": "150m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    variable = {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "does-not-exist", "key": "x"}}}
    counted = {"requests": {"ephemeral-storage": "1Mi"}}
    nowhere = {"name": "MCPTASKS_GATEWAY_URL", "value": "http://127.0.0.1:1"}
    secret = {"name": "secret", "secret": {"secretName": "does-not-exist"}}
    return [
        _template(namespace, "default", {"image": image, "resources": small}),
        _template(namespace, "small", {"image": image, "resources": tiny}),
        _template(namespace, "burst", {"image": image, "resources": fair}),
        _template(namespace, "unstartable", {"image": image, "command": ["/no/such/program"]}),
        _template(namespace, "unpullable", {"image": "unpullable.invalid/nothing:1"}, startDeadlineSeconds=25),
        _template(
            namespace,
            "unschedulable",
            {"image": image, "resources": {"requests": {"cpu": "1000"}}},
            startDeadlineSeconds=5,
        ),
        _template(
            namespace,
            "no-secret",
            {"image": image, "volumeMounts": [{"name": "secret", "mountPath": "/secret"}]},
            {"volumes": [secret]},
            startDeadlineSeconds=8,
        ),
        _template(namespace, "no-variable", {"image": image, "env": [variable]}, startDeadlineSeconds=15),
        _template(namespace, "beyond-quota", {"image": image, "resources": counted}, startDeadlineSeconds=20),
        _template(namespace, "cut-off", {"image": image, "env": [nowhere], "resources": small}, timeoutSeconds=30),
    ]


def queued_template(namespace: str, image: str, queue: str, cpu: str) -> JsonObject:
    """`queued`, whose Jobs wait in that queue of Kueue's, each for that much CPU."""
    resources = {"requests": {"cpu": cpu, "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    return _template(namespace, "queued", {"image": image, "resources": resources}, queueName=queue)


def node_templates(namespace: str, image: str, node: str) -> list[JsonObject]:
    """`other-node`, whose Pods run on that node, and `other-node-first`, whose Pods do while it is there.

    Their Pods leave a node that does not answer soon after the cluster has noticed.
    """
    small = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    hostname = "kubernetes.io/hostname"
    there = {"matchExpressions": [{"key": hostname, "operator": "In", "values": [node]}]}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": there}]}
    leaving = {
        "tolerations": [
            {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
            for taint in ("not-ready", "unreachable")
        ]
    }
    runner = {"image": image, "resources": small}
    return [
        _template(namespace, "other-node", runner, {"nodeSelector": {hostname: node}, **leaving}, timeoutSeconds=900),
        _template(
            namespace,
            "other-node-first",
            runner,
            {"affinity": {"nodeAffinity": preferred}, **leaving},
            timeoutSeconds=900,
        ),
    ]
