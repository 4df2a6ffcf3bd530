"""The product on a real cluster: the manifests of `deploy/` in a namespace of their own, with the tests' tools."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2
import yaml

from mcptasks.model.base import JsonObject
from mcptasks.model.crds import custom_resource_definitions
from mcptasks.model.task_template import Executor
from tests.chart.helm import CHART, helm_path, take_over
from tests.e2e.machine import ClusterTool, container_pids, kill_all, program
from tests.e2e.templates import templates
from tests.support.kubectl import Kubectl
from tests.support.polling import eventually

DEPLOY = Path(__file__).parents[2] / "deploy"
IMAGE = os.environ.get("MCPTASKS_E2E_IMAGE", "mcptasks-e2e:dev")
MODULE = "/app/tools.py,/app/returns.py"
REDIS_URL = "redis://mcptasks-redis:6379/0"

RIVAL_LEASE = "mcptasks-rival"

# Only what is not the container's first process can be killed from within.
KILL_REDIS = 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = redis-server ] && kill -9 ${p#/proc/}; done; true'
LIST_REDIS = "import redis; print(*redis.Redis(decode_responses=True).scan_iter(), sep='\\n')"
REDIS = (
    "while :; do redis-server --save '' --appendonly yes --appendfsync always --dir /data"
    " --bind 0.0.0.0 --protected-mode no; sleep 0.2; done"
)

LIMITS = {
    "MCPTASKS_RESULT_FLOOR_SECONDS": "3",
    "MCPTASKS_MAX_RESULT_BYTES": str(4 * 1024 * 1024),
    "MCPTASKS_REDIS_URL": REDIS_URL,
    "MCPTASKS_SINGLE_USER": "true",
    "MCPTASKS_TASK_LOG_RESOURCE": "true",
}


@dataclass
class ClusterDeployment:
    """One installation of the product, removed with everything in it at the end."""

    kubeconfig: Path
    namespace: str = field(default_factory=lambda: f"mcptasks-e2e-{secrets.token_hex(3)}")
    embedded: bool = False
    executor: Executor = Executor.JOB
    _forwards: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _endpoint: str = ""
    _gateway: str = ""

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.kubeconfig, self.namespace)

    @property
    def endpoint(self) -> str:
        """URL of the MCP endpoint, any replica."""
        return self._endpoint

    @property
    def gateway(self) -> str:
        """URL of the gateway, any replica."""
        return self._gateway

    def install(self) -> None:
        self.kubectl.apply(*custom_resource_definitions())
        self.kubectl.run("wait", "--for=condition=Established", "--timeout=60s", "crd/mcptasks.mcptasks.dev")
        self.kubectl.apply(*self._namespace())
        self.kubectl.apply(*self._manifests())
        for name in ("mcptasks-server", "mcptasks-operator", "mcptasks-redis"):
            self.kubectl.run("rollout", "status", f"deployment/{name}", "--timeout=180s", seconds=200)
        self._endpoint = self._reach("mcptasks", 8000) + "/mcp"
        self._gateway = self._reach("mcptasks-gateway", 8001)

    def remove(self) -> None:
        for forward in self._forwards:
            forward.terminate()
            forward.wait(10)
        for kind in ("clusterrole", "clusterrolebinding"):
            self.kubectl.run("delete", kind, f"mcptasks-gateway-{self.namespace}", "--ignore-not-found")
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            self.kubectl.run("delete", kind, f"mcptasks-principal-{self.namespace}", "--ignore-not-found")
        self.kubectl.run("delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=180s", seconds=200)

    def _namespace(self) -> list[JsonObject]:
        return self._read("namespace.yaml")

    def _manifests(self) -> list[JsonObject]:
        names = ("rbac", "principal-policy", "server", "operator")
        objects = [item for name in names for item in self._read(f"{name}.yaml")]
        for item in objects:
            if item["kind"] == "Deployment":
                self._configure(item)
        return [*objects, *redis(self.namespace), *templates(self.namespace, IMAGE, self.executor, MODULE)]

    def _read(self, name: str) -> list[JsonObject]:
        text = (DEPLOY / name).read_text()
        text = text.replace("mcptasks-gateway-mcptasks", f"mcptasks-gateway-{self.namespace}")
        text = text.replace("mcptasks-principal-mcptasks", f"mcptasks-principal-{self.namespace}")
        text = text.replace("system:serviceaccount:mcptasks:", f"system:serviceaccount:{self.namespace}:")
        text = text.replace("metadata.name: mcptasks\n", f"metadata.name: {self.namespace}\n")
        text = text.replace("namespace: mcptasks\n", f"namespace: {self.namespace}\n")
        text = text.replace("mcptasks-gateway.mcptasks.svc", f"mcptasks-gateway.{self.namespace}.svc")
        text = text.replace("image: mcptasks:dev", f"image: {IMAGE}").replace("value: mcptasks:dev", f"value: {IMAGE}")
        objects = [item for item in yaml.safe_load_all(text) if item]
        for item in objects:
            if item["kind"] == "Namespace":
                item["metadata"]["name"] = self.namespace
        return objects

    def _configure(self, deployment: JsonObject) -> None:
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        known = {entry["name"]: entry["value"] for entry in container["env"]}
        if "MCPTASKS_MODULE" in known:
            known["MCPTASKS_MODULE"] = MODULE
            known["MCPTASKS_ALLOWED_HOSTS"] = "*"
        container["env"] = [{"name": name, "value": value} for name, value in (known | LIMITS).items()]

    def _reach(self, service: str, port: int) -> str:
        """The Service's own address where it can be reached from here, a forwarded port otherwise."""
        address = self.kubectl.get("service", service)["spec"]["clusterIP"]
        for _ in range(20):
            try:
                socket.create_connection((address, port), timeout=3).close()
                return f"http://{address}:{port}"
            except ConnectionRefusedError:
                time.sleep(0.5)
            except OSError:
                break
        return self._port_forward(service, port)

    def _port_forward(self, service: str, port: int) -> str:
        command = self.kubectl.command("port-forward", f"service/{service}", f":{port}")
        forward = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._forwards.append(forward)
        assert forward.stdout is not None
        line = forward.stdout.readline().decode()
        return f"http://{line.split()[2]}"

    # What the tests do to it

    def pods(self, component: str) -> list[str]:
        """Names of the Pods of `server`, `operator` or `redis`."""
        selector = f"app.kubernetes.io/name=mcptasks,app.kubernetes.io/component={component}"
        return [pod["metadata"]["name"] for pod in self.kubectl.list("pods", selector)]

    def kill(self, component: str) -> None:
        """Kill all processes of a component at once, without warning."""
        self.aim(component)()

    def kill_leader(self) -> str:
        """Kill the operator that leads, without warning; gives its identity."""
        identity = self.leader()
        self.aim("operator", [identity.partition("_")[0]])()
        return identity

    def stop_leader(self) -> str:
        """Stop the operator that leads, as a rollout does; gives its identity."""
        identity = self.leader()
        self.kubectl.run("delete", "pod", identity.partition("_")[0], "--wait=false")
        return identity

    def aim(self, component: str, pods: list[str] | None = None) -> Callable[[], None]:
        """All that can be found out before a kill; the call of what it gives takes a moment only.

        After the SIGKILL there is a new Pod, because the kubelet starts a container that died often only after
        minutes. Redis is killed in its container and is started again there, with its data.
        """
        names = self.pods(component) if pods is None else pods
        found = [pod for pod in map(partial(self.kubectl.find, "pod"), names) if pod]
        pids = [pid for pod in found for pid in container_pids(pod)]
        if component == "redis":
            servers = [pid for pid in pids if program(pid) == "redis-server"]
            return (lambda: kill_all(servers)) if servers else (lambda: self._kill_redis(names))
        return lambda: self._kill(names, pids)

    def _kill(self, pods: list[str], pids: list[int]) -> None:
        kill_all(pids)
        for pod in pods:
            self.kubectl.run("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false", check=False)

    def _kill_redis(self, pods: list[str]) -> None:
        for pod in pods:
            self.kubectl.run("exec", pod, "--", "sh", "-c", KILL_REDIS)

    def stored(self) -> list[str]:
        """Names of what Redis holds."""
        (pod,) = self.pods("redis")
        return self.kubectl.run("exec", pod, "--", "/opt/mcptasks/bin/python", "-c", LIST_REDIS).splitlines()

    def in_redis(self, program: str) -> None:
        """Run Python statements in which `r` is the Redis."""
        (pod,) = self.pods("redis")
        text = f"import redis; r = redis.Redis()\n{program}"
        self.kubectl.run("exec", pod, "--", "/opt/mcptasks/bin/python", "-c", text)

    def leader(self) -> str:
        """Identity of the operator that holds the Lease."""
        return self.kubectl.lease_holder("mcptasks-operator")

    def start_rival(self) -> None:
        """A second installation's operator on the same tasks: it has a Lease of its own, so that both lead."""
        rival = self.kubectl.get("deployment", "mcptasks-operator")
        labels = {"app.kubernetes.io/name": "mcptasks", "app.kubernetes.io/component": "rival"}
        rival["metadata"] = {"name": "mcptasks-rival", "namespace": self.namespace, "labels": labels}
        rival["spec"] |= {"replicas": 1, "selector": {"matchLabels": labels}}
        rival["spec"]["template"]["metadata"] = {"labels": labels}
        env = rival["spec"]["template"]["spec"]["containers"][0]["env"]
        env.append({"name": "MCPTASKS_LEASE_NAME", "value": RIVAL_LEASE})
        rival.pop("status", None)
        self.kubectl.apply(rival)
        self.ready("rival")

    def stop_rival(self) -> None:
        self.kubectl.run("delete", "deployment", "mcptasks-rival", "--ignore-not-found", "--timeout=60s", seconds=90)
        self.kubectl.run("delete", "lease", RIVAL_LEASE, "--ignore-not-found")

    @property
    def has_machine(self) -> bool:
        """Whether the cluster's own components can be killed from here."""
        return ClusterTool().there

    def kill_api(self, seconds: float = 2.0) -> None:
        """Kill the API server; start it again after that many seconds."""
        self.kill_machine("kube-apiserver", seconds=seconds)

    def kill_machine(self, *components: str, seconds: float = 2.0) -> None:
        """Kill components of the cluster itself; start them again, and wait until the cluster answers."""
        tool = ClusterTool()
        try:
            for name in components:
                tool.kill(name)
            time.sleep(seconds)
        finally:
            tool.keep_up(*reversed(components), "kube-apiserver")
        eventually("the API server is ready", lambda: self.kubectl.run("get", "--raw", "/readyz", check=False) == "ok")

    def scale(self, component: str, replicas: int) -> None:
        name = f"deployment/mcptasks-{component}"
        self.kubectl.run("scale", name, f"--replicas={replicas}")
        if replicas:
            self.ready(component)
        else:
            eventually(f"no {component}", lambda: not self.pods(component), 90)

    def set_env(self, component: str, name: str, value: str) -> None:
        """Give the component an environment variable; returns when it has been rolled out."""
        self.kubectl.run("set", "env", f"deployment/mcptasks-{component}", f"{name}={value}")
        self.ready(component)

    def ready(self, component: str) -> None:
        """Wait until the component works, and, for the server, until its Service leads there."""
        self.kubectl.run("rollout", "status", f"deployment/mcptasks-{component}", "--timeout=180s", seconds=200)
        if component == "server" and self._endpoint:
            eventually("the endpoint answers", self._answers, 60)

    def _answers(self) -> bool:
        try:
            return httpx2.get(self._endpoint.removesuffix("/mcp") + "/readyz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def logs(self, component: str) -> str:
        selector = f"app.kubernetes.io/component={component}"
        return self.kubectl.run("logs", "-l", selector, "--tail=200", "--prefix", check=False)


@dataclass
class ChartDeployment(ClusterDeployment):
    """The same, installed by the chart: its rights, policies, Services and probes. Needs helm."""

    def install(self) -> None:
        self.kubectl.apply(*self._namespace(), *redis(self.namespace))
        values = yaml.safe_dump(self._values())
        options = (*take_over(), "--values=-", "--wait", "--timeout=5m")
        self._helm("install", "mcptasks", str(CHART), *options, stdin=values)
        self.kubectl.apply(*templates(self.namespace, IMAGE, self.executor, MODULE))
        self.kubectl.run("rollout", "status", "deployment/mcptasks-redis", "--timeout=180s", seconds=200)
        self._endpoint = self._reach("mcptasks", 8000) + "/mcp"
        self._gateway = self._reach("mcptasks-gateway", 8001)

    def remove(self) -> None:
        self._helm("uninstall", "mcptasks", "--ignore-not-found", "--wait", "--timeout=3m")
        super().remove()

    def _values(self) -> JsonObject:
        repository, _, tag = IMAGE.rpartition(":")
        limits = [{"name": name, "value": value} for name, value in LIMITS.items()]
        return {
            "image": {"repository": repository, "tag": tag},
            "server": {"module": MODULE, "allowedHosts": ["*"], "singleUser": True, "extraEnv": limits},
            "operator": {"extraEnv": limits},
            # The tests bring their own.
            "taskTemplates": {"default": {"enabled": False}},
        }

    def _helm(self, *arguments: str, stdin: str = "") -> None:
        command = [helm_path(), *arguments, f"--namespace={self.namespace}", f"--kubeconfig={self.kubeconfig}"]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def redis(namespace: str) -> list[JsonObject]:
    """A Redis for one test run: no password; it keeps its data when its process is killed."""
    labels = {"app.kubernetes.io/name": "mcptasks", "app.kubernetes.io/component": "redis"}
    container = {
        "name": "redis",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", REDIS],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 1, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "mcptasks-redis", "namespace": namespace, "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "mcptasks-redis", "namespace": namespace},
            "spec": {"selector": labels, "ports": [{"port": 6379, "targetPort": 6379}]},
        },
    ]


def installed(
    kubeconfig: Path, *, by_chart: bool = False, executor: Executor = Executor.JOB
) -> Iterator[ClusterDeployment]:
    """A deployment for as long as the tests run, by the chart or by the manifests of `deploy/`."""
    kind = ChartDeployment if by_chart else ClusterDeployment
    deployment = kind(kubeconfig, executor=executor)
    try:
        deployment.install()
        yield deployment
    finally:
        deployment.remove()
