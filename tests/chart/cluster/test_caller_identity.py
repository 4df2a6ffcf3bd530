"""Who may say who has called, on a real API server: only that one evaluates admission policies."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mcptasks.model.base import API_VERSION, JsonObject
from mcptasks.model.crds import custom_resource_definitions
from tests.chart.helm import CHART, helm
from tests.support.kubectl import Kubectl
from tests.support.polling import eventually

RENDERED = ("server/principalpolicy", "server/rbac", "server/serviceaccount", "operator/rbac", "aggregated-roles")
ALICE: JsonObject = {"clientId": "web", "subject": "alice", "claims": {"groups": ["a", {"of": 1.5}], "admin": False}}
BOB = "bob"


@dataclass(frozen=True)
class Namespace:
    """A namespace with the chart's policy and roles, and Bob, who may edit it."""

    kubectl: Kubectl

    @property
    def server(self) -> str:
        return f"system:serviceaccount:{self.kubectl.namespace}:mcptasks-server"

    @property
    def operator(self) -> str:
        return f"system:serviceaccount:{self.kubectl.namespace}:mcptasks-operator"

    def make(self, user: str, principal: JsonObject | None, namespace: str | None = None) -> tuple[str, str]:
        """Have the user make a task; gives its name, and what kubectl says."""
        name = f"task-{secrets.token_hex(4)}"
        spec: JsonObject = {"component": {"name": "add"}, "arguments": {"a": 1.5}}
        body = {"apiVersion": API_VERSION, "kind": "McpTask", "metadata": {"name": name}}
        body |= {"spec": spec if principal is None else spec | {"principal": principal}}
        where = () if namespace is None else (f"--namespace={namespace}",)
        told = self.kubectl.run("create", "-f", "-", f"--as={user}", *where, stdin=json.dumps(body), check=False)
        return name, told

    def patch(self, user: str, name: str, patch: JsonObject, *options: str) -> str:
        arguments = ("--type=merge", f"--patch={json.dumps(patch)}", f"--as={user}", *options)
        return self.kubectl.run("patch", "mcptask", name, *arguments, check=False)

    def task_of_alice(self) -> str:
        name, told = self.make(self.server, ALICE)
        assert "created" in told
        return name


@pytest.fixture(scope="module")
def guarded(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    kubeconfig = request.config.getoption("--kubeconfig")
    if not kubeconfig:
        raise pytest.UsageError("name the cluster: make chart-e2e KUBECONFIG=path/to/kubeconfig")
    made = Namespace(Kubectl(Path(kubeconfig), f"mcptasks-caller-{secrets.token_hex(3)}"))
    kubectl = made.kubectl
    kubectl.apply(*custom_resource_definitions())
    kubectl.run("wait", "--for=condition=Established", "--timeout=60s", "crd/mcptasks.mcptasks.dev")
    kubectl.run("create", "namespace", kubectl.namespace)
    objects = [*rendered(kubectl.namespace, "mcptasks"), *rendered(kubectl.namespace, "other")]
    try:
        kubectl.apply(*objects)
        kubectl.run("create", "rolebinding", "bob", "--clusterrole=edit", f"--user={BOB}")
        eventually("the policy works", lambda: "only the MCP server" in made.make(BOB, ALICE)[1], 60)
        yield made
    finally:
        for item in objects:
            if "namespace" not in item["metadata"]:
                kubectl.run("delete", item["kind"], item["metadata"]["name"], "--ignore-not-found")
        kubectl.run("delete", "namespace", kubectl.namespace, "--timeout=180s", seconds=200)


def rendered(namespace: str, release: str) -> list[JsonObject]:
    """The chart's policy, accounts and roles, as a release has them."""
    shown = [f"--show-only=templates/{name}.yaml" for name in RENDERED]
    values = ("--set=principalPolicy.enabled=true", f"--set=fullnameOverride={release}")
    done = helm("template", "mcptasks", str(CHART), f"--namespace={namespace}", *values, *shown)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def test_the_server_says_who_has_called(guarded: Namespace) -> None:
    name = guarded.task_of_alice()
    assert guarded.kubectl.get("mcptask", name)["spec"]["principal"] == ALICE


@pytest.mark.parametrize("principal", [ALICE, {}, {"subject": "bob"}])
def test_nobody_else_does(guarded: Namespace, principal: JsonObject) -> None:
    told = guarded.make(BOB, principal)[1]
    assert "Forbidden" in told
    # The API server tells of one of those that refuse: of this release's policy, or of the other's.
    servers = (guarded.server, guarded.server.replace("mcptasks-server", "other-server"))
    assert any(f"only the MCP server ({server}) sets or changes it" in told for server in servers)


def test_the_servers_of_two_releases_in_a_namespace_leave_one_another_alone(guarded: Namespace) -> None:
    account = f"system:serviceaccount:{guarded.kubectl.namespace}:other"
    eventually("both roles hold", lambda: "created" in guarded.make(f"{account}-server", ALICE)[1], 60)
    assert "created" in guarded.make(guarded.server, ALICE)[1]
    for component in ("operator", "runner", "dashboard"):
        assert "created" not in guarded.make(f"{account}-{component}", ALICE)[1]
    told = guarded.kubectl.run("create", "rolebinding", "everything", "--clusterrole=cluster-admin", "--user=carol")
    assert "created" in told
    assert "Forbidden" in guarded.make("carol", ALICE)[1]


def test_who_edits_the_namespace_makes_tasks_of_nobody(guarded: Namespace) -> None:
    assert "created" in guarded.make(BOB, None)[1]


@pytest.mark.parametrize(
    "principal", [None, ALICE | {"subject": "bob"}, ALICE | {"claims": ALICE["claims"] | {"admin": True}}]
)
@pytest.mark.parametrize("more", [{}, {"cancel": True}])
def test_it_stays_as_it_is(guarded: Namespace, principal: JsonObject | None, more: JsonObject) -> None:
    name = guarded.task_of_alice()
    body = guarded.kubectl.get("mcptask", name)
    body["spec"] |= {"principal": principal} | more
    told = guarded.kubectl.run("replace", "-f", "-", f"--as={BOB}", stdin=json.dumps(body), check=False)
    assert "replaced" not in told
    assert guarded.kubectl.get("mcptask", name)["spec"]["principal"] == ALICE


def test_it_is_not_added_to_a_task_of_nobody(guarded: Namespace) -> None:
    name, _ = guarded.make(BOB, None)
    told = guarded.patch(BOB, name, {"spec": {"cancel": True, "principal": ALICE}})
    assert "patched" not in told
    assert "principal" not in guarded.kubectl.get("mcptask", name)["spec"]


def test_who_edits_the_namespace_changes_the_rest_as_before(guarded: Namespace) -> None:
    name = guarded.task_of_alice()
    assert "patched" in guarded.patch(BOB, name, {"metadata": {"labels": {"a": "b"}, "annotations": {"note": "x"}}})
    assert "patched" in guarded.patch(BOB, name, {"metadata": {"finalizers": ["example.com/hold"]}})
    assert "patched" in guarded.patch(BOB, name, {"metadata": {"finalizers": None}})
    assert "patched" in guarded.patch(BOB, name, {"spec": {"cancel": True}})
    body = guarded.kubectl.get("mcptask", name)
    assert (body["spec"]["principal"], body["spec"]["cancel"]) == (ALICE, True)
    body["metadata"]["labels"]["c"] = "d"
    told = guarded.kubectl.run("replace", "-f", "-", f"--as={BOB}", stdin=json.dumps(body))
    assert "replaced" in told
    assert "deleted" in guarded.kubectl.run("delete", "mcptask", name, f"--as={BOB}", "--timeout=60s")


def test_statuses_are_written_and_tasks_deleted_as_before(guarded: Namespace) -> None:
    name = guarded.task_of_alice()
    status = json.dumps({"status": {"phase": "failed", "reason": "Evicted", "message": "x"}})
    told = guarded.kubectl.run("patch", "mcptask", name, "--subresource=status", "--type=merge", f"--patch={status}")
    assert "patched" in told
    assert "deleted" in guarded.kubectl.run("delete", "mcptask", name, f"--as={guarded.operator}", "--timeout=60s")


def test_other_namespaces_are_not_concerned(guarded: Namespace) -> None:
    """Tasks there are nobody's to this server, and a server there brings a policy of its own."""
    other = f"{guarded.kubectl.namespace}-other"
    guarded.kubectl.run("create", "namespace", other)
    try:
        guarded.kubectl.run(
            "create", "rolebinding", "bob", "--clusterrole=edit", f"--user={BOB}", f"--namespace={other}"
        )
        assert "created" in guarded.make(BOB, ALICE, other)[1]
    finally:
        guarded.kubectl.run("delete", "namespace", other, "--timeout=180s", seconds=200)
