"""The chart's NetworkPolicies on a cluster that enforces them: who reaches whom, port by port.

Needs `--kubeconfig`, `--network-policies`, helm, and the image MCPTASKS_E2E_IMAGE (mcptasks-e2e:dev) in the cluster. A
closed port says something only where it was open before: the first test finds all of them open, without policies. Many
plugins do not filter what goes from a Pod to its own node, and so the API server's address is not tried.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from mcptasks.model.base import LABEL_TASK, LABEL_TASK_UID, LABEL_WORKER, JsonObject
from tests.chart.cluster.release import Release
from tests.chart.helm import CHART, take_over
from tests.e2e.cluster import IMAGE
from tests.support.kubectl import Kubectl
from tests.support.polling import eventually

PYTHON = "/opt/mcptasks/bin/python"
LISTEN = """
import socket, sys, threading
ports = [int(word) for word in sys.argv[1:]]
def serve(port):
    listener = socket.create_server(("", port))
    while True:
        listener.accept()[0].close()
def echo(port):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("", port))
    while True:
        text, sender = datagrams.recvfrom(2048)
        datagrams.sendto(text, sender)
for port in ports:
    for run in (serve, echo):
        threading.Thread(target=run, args=(port,)).start()
"""
# A question for the root's name servers: whatever serves DNS answers it, and the Pods above send it back.
CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
QUESTION = bytes.fromhex("123401000001000000000000") + b"\\0\\0\\2\\0\\1"
def reached(target):
    name, host, port = target
    kind = socket.SOCK_DGRAM if name.endswith("udp") else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as used:
        used.settimeout(3)
        try:
            used.connect((host, port))
            if kind == socket.SOCK_DGRAM:
                used.send(QUESTION)
                used.recv(2048)
        except OSError:
            return None
    return name
with ThreadPoolExecutor(20) as pool:
    print(json.dumps([name for name in pool.map(reached, json.loads(sys.argv[1])) if name]))
"""
RESTRICTED: JsonObject = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
CLUSTER_DNS = frozenset({"dns/udp", "dns/tcp"})
FREE = CLUSTER_DNS | {"bystander/8080", "pretender/53", "pretender/53udp"}
"""What the policies say nothing about; a Pod that is no task's reaches it."""
OF_TASKS = CLUSTER_DNS | {"server/gateway"}
METRICS = frozenset({"server/metrics", "operator/metrics"})
LARGE = 1_800_000

Rule = JsonObject


@dataclass(frozen=True)
class Pod:
    """A Pod that tries what it reaches, and may listen."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    elsewhere: bool = False
    """In the namespace beside the release's."""

    def manifest(self, namespace: str) -> JsonObject:
        pod_security = {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        }
        listens = [PYTHON, "-c", LISTEN, *map(str, self.ports or (8080,))]
        container = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": listens}
        spec = {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": pod_security,
            "containers": [container | {"securityContext": RESTRICTED}],
        }
        metadata = {"name": self.name, "namespace": namespace, "labels": dict(self.labels)}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


TASK_LABELS = {LABEL_TASK: "", LABEL_TASK_UID: ""}
PODS = (
    Pod("neighbour"),
    Pod("stranger", elsewhere=True),
    Pod("caller", {"role": "caller"}),
    Pod("prometheus", {"role": "prometheus"}, elsewhere=True),
    Pod("worker", {**TASK_LABELS, LABEL_WORKER: "true"}, ports=(8790,)),
    # It calls itself a task's where the release has none.
    Pod("foreign-task", TASK_LABELS, elsewhere=True),
    Pod("bystander", ports=(8080,)),
    Pod("pretender", {"k8s-app": "kube-dns"}, ports=(53,), elsewhere=True),
)


def named(namespace: str, **labels: str) -> JsonObject:
    """Those Pods of that namespace, as a peer of a rule."""
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": labels},
    }


@dataclass
class Neighbourhood:
    """A release, a running task of it, and Pods in its namespace and in another one."""

    release: Release
    task_id: str = ""

    @property
    def kubectl(self) -> Kubectl:
        return self.release.kubectl

    @property
    def other(self) -> Kubectl:
        return Kubectl(self.release.kubeconfig, f"{self.release.namespace}-other")

    def install(self, policies: JsonObject, **more: object) -> None:
        """Install or upgrade, with these `networkPolicy` values."""
        options = ("--install", *take_over(), "--wait", "--timeout=5m", "--values=-")
        self.release.helm("upgrade", "mcptasks", str(CHART), *options, values=_values(policies) | more)

    def start(self) -> None:
        """The Pods, and a task that runs until the end."""
        for pod in PODS:
            where = self._of(pod)
            where.apply(pod.manifest(where.namespace))
        for pod in PODS:
            self._of(pod).run("wait", "--for=condition=Ready", f"pod/{pod.name}", "--timeout=120s", seconds=130)
        self.task_id = self.release.client().create("nap", {"seconds": 3000})
        eventually("it runs", lambda: self.release.status(self.task_id).get("startedAt"), 120)

    def reached(self) -> dict[str, frozenset[str]]:
        """What each Pod reaches of all the others, by the Pod's name and the ports'."""
        targets = self._targets()
        looks = {pod.name: (self._of(pod), pod.name) for pod in PODS if pod.name not in ("bystander", "pretender")}
        looks["task"] = self.kubectl, str(self.release.status(self.task_id)["podName"])
        looks |= {name: (self.kubectl, self._pod_of(name)["metadata"]["name"]) for name in ("server", "operator")}
        return {name: self._reached(where, pod, name, targets) for name, (where, pod) in looks.items()}

    def egress(self) -> list[Rule]:
        """Of server and operator, as an administrator writes it: DNS, the API server and Redis."""
        redis = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "redis"}}}
        dns = [{"port": 53, "protocol": kind} for kind in ("UDP", "TCP")]
        default = Kubectl(self.release.kubeconfig, "default")
        slices = default.list("endpointslices", "kubernetes.io/service-name=kubernetes")
        addresses = {address for item in slices for end in item["endpoints"] for address in end["addresses"]}
        addresses.add(default.get("service", "kubernetes")["spec"]["clusterIP"])
        ports = {port["port"] for item in slices for port in item["ports"]} | {443}
        return [
            {"to": [named("kube-system", **{"k8s-app": "kube-dns"})], "ports": dns},
            {
                "to": [{"ipBlock": {"cidr": f"{address}/32"}} for address in sorted(addresses)],
                "ports": [{"port": port, "protocol": "TCP"} for port in sorted(ports)],
            },
            {"to": [redis], "ports": [{"port": 6379, "protocol": "TCP"}]},
        ]

    def close(self) -> None:
        self.release.close()
        self.other.run("delete", "namespace", self.other.namespace, "--timeout=180s", seconds=200)

    def _of(self, pod: Pod) -> Kubectl:
        return self.other if pod.elsewhere else self.kubectl

    def _pod_of(self, component: str) -> JsonObject:
        selector = f"app.kubernetes.io/name=mcptasks,app.kubernetes.io/component={component}"
        pods = [pod for pod in self.kubectl.list("pods", selector) if "deletionTimestamp" not in pod["metadata"]]
        assert len(pods) == 1, pods
        return pods[0]

    def _targets(self) -> list[tuple[str, str, int]]:
        """Name, address and port: all that the release's Pods declare, and what stands beside them."""
        found: list[tuple[str, str, int]] = []
        for component in ("server", "operator", "redis"):
            own = self._pod_of(component)
            ports = own["spec"]["containers"][0]["ports"]
            address = str(own["status"]["podIP"])
            found += [(f"{component}/{port['name']}", address, port["containerPort"]) for port in ports]
        for pod in PODS:
            address = str(self._of(pod).get("pod", pod.name)["status"]["podIP"])
            found += [(f"{pod.name}/{port}", address, port) for port in pod.ports]
            found += [(f"{pod.name}/{port}udp", address, port) for port in pod.ports if port == 53]
        dns = Kubectl(self.release.kubeconfig, "kube-system").list("pods", "k8s-app=kube-dns")[0]["status"]["podIP"]
        return [*found, ("dns/tcp", dns, 53), ("dns/udp", dns, 53)]

    def _reached(self, where: Kubectl, pod: str, name: str, targets: list[tuple[str, str, int]]) -> frozenset[str]:
        others = [target for target in targets if not target[0].startswith(f"{name}/")]
        return frozenset(json.loads(where.run("exec", pod, "--", PYTHON, "-c", CONNECT, json.dumps(others))))


def _values(policies: JsonObject) -> JsonObject:
    repository, _, tag = IMAGE.rpartition(":")
    image = {"repository": repository, "tag": tag}
    return {
        "image": image,
        "redis": {"enabled": True, "image": image},
        "server": {"module": "/app/tools.py", "allowedHosts": ["*"], "singleUser": True, "replicas": 1},
        "operator": {"replicas": 1},
        "settings": {"MAX_RESULT_BYTES": 4 * 1024 * 1024},
        "tests": {"enabled": False},
        "networkPolicy": policies,
    }


@pytest.fixture(scope="module")
def around(request: pytest.FixtureRequest) -> Iterator[Neighbourhood]:
    kubeconfig = request.config.getoption("--kubeconfig")
    if not kubeconfig:
        raise pytest.UsageError("name the cluster: make chart-e2e KUBECONFIG=path/to/kubeconfig")
    if not request.config.getoption("--network-policies"):
        pytest.skip("--network-policies says that this cluster enforces NetworkPolicies; it was not given")
    namespace = f"mcptasks-policies-{secrets.token_hex(3)}"
    made = Neighbourhood(Release(Path(kubeconfig), Kubectl(Path(kubeconfig), namespace)))
    for where in (made.kubectl, made.other):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        where.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where.namespace, "labels": labels}})
    try:
        made.install({"enabled": False})
        made.start()
        yield made
    finally:
        made.close()


def become(around: Neighbourhood, expected: Mapping[str, frozenset[str]]) -> None:
    """Wait until each Pod reaches what it should, and nothing else."""
    last: dict[str, frozenset[str]] = {}

    def right() -> bool:
        last.update(around.reached())
        return last == expected

    try:
        eventually("each Pod reaches what it should", right, 60, every=1)
    except AssertionError as error:
        wrong = [
            f"{name}: too much {sorted(last[name] - names)}, too little {sorted(names - last[name])}"
            for name, names in expected.items()
            if last[name] != names
        ]
        raise AssertionError("\n".join([str(error), *wrong])) from None


class TestWhatIsEnforced:
    """In this order."""

    by_default: ClassVar[Mapping[str, frozenset[str]]] = {
        **dict.fromkeys(
            ("neighbour", "stranger", "caller", "prometheus", "foreign-task"), FREE | METRICS | {"server/mcp"}
        ),
        **dict.fromkeys(("task", "worker"), OF_TASKS),
        # They may leave until there are rules.
        "server": FREE | {"operator/metrics", "redis/redis"},
        "operator": FREE | {"server/metrics", "server/mcp", "redis/redis"},
    }
    narrowed: ClassVar[Mapping[str, frozenset[str]]] = {
        **dict.fromkeys(("neighbour", "stranger", "foreign-task"), FREE),
        **dict.fromkeys(("task", "worker"), OF_TASKS),
        "caller": FREE | {"server/mcp"},
        "prometheus": FREE | METRICS,
        "server": CLUSTER_DNS | {"redis/redis"},
        "operator": CLUSTER_DNS | {"redis/redis"},
    }

    def test_without_policies_all_is_open(self, around: Neighbourhood) -> None:
        """Else a closed port would say nothing below."""
        found = around.reached()
        everything = frozenset[str]().union(*found.values())
        assert everything >= FREE | OF_TASKS | METRICS | {"server/mcp", "operator/health", "redis/redis", "worker/8790"}
        for name, reached in found.items():
            assert reached == {target for target in everything if not target.startswith(f"{name}/")}, name

    def test_by_default_task_pods_reach_gateway_and_dns_alone(self, around: Neighbourhood) -> None:
        """So do workers; nobody else reaches the gateway, Redis (but for server and operator), or a health check."""
        around.install({})
        become(around, self.by_default)

    def test_endpoint_and_metrics_are_for_whom_the_values_name(self, around: Neighbourhood) -> None:
        around.install(narrow(around))
        become(around, self.narrowed)

    def test_everything_works_behind_all_policies(self, around: Neighbourhood) -> None:
        """A task, a result that goes through Redis, and a cancellation."""
        client = around.release.client()
        done = client.create("add", {"a": 1, "b": 2})
        assert client.wait(done, seconds=120)["status"] == "completed"
        assert client.result(done)["structuredContent"] == {"total": 3, "terms": [1, 2]}
        large = client.create("big", {"size": LARGE})
        assert client.wait(large, seconds=120)["status"] == "completed", around.release.status(large)
        assert len(client.result(large)["content"][0]["text"]) == LARGE
        cancelled = client.create("nap", {"seconds": 3000})
        eventually("it runs", lambda: around.release.status(cancelled).get("startedAt"), 120)
        client.cancel(cancelled)
        eventually("its processes have ended", partial(has_ended, around, cancelled), 90)
        assert around.release.status(cancelled)["reason"] == "CancelledByCaller"

    def test_task_pods_of_watched_namespaces_are_bounded_as_well(self, around: Neighbourhood) -> None:
        policies = narrow(around)
        policies["tasks"] = {"inWatchedNamespaces": True}
        around.install(policies, watchNamespaces=[around.other.namespace])
        become(around, {**self.narrowed, "foreign-task": OF_TASKS})


def narrow(around: Neighbourhood) -> JsonObject:
    """Values that open the endpoint and the metrics to one Pod each, and say where server and operator go."""
    return {
        "metrics": {"from": [named(around.other.namespace, role="prometheus")]},
        "server": {
            "from": [{"podSelector": {"matchLabels": {"role": "caller"}}}],
            "egress": around.egress(),
        },
        "operator": {"egress": around.egress()},
    }


def has_ended(around: Neighbourhood, task_id: str) -> bool:
    conditions: list[JsonObject] = around.release.status(task_id).get("conditions") or []
    return any(one["type"] == "PodsTerminated" and one["status"] == "True" for one in conditions)
