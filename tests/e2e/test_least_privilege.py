"""Nobody can do more than their part: server and operator by their roles, task Pods by having none.

The embedded cluster runs Pods as processes of this machine's user, so that users, capabilities and read-only file
systems are shown by what the Pods ask for there, and by what a tool can really do on a cluster that enforces it.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml

from mcptasks.model.base import JsonObject
from tests.e2e.api import ClusterApi
from tests.e2e.conftest import Deployment, Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient

RBAC = Path(__file__).parents[2] / "deploy" / "rbac.yaml"
SERVER, OPERATOR, RUNNER = "mcptasks-server", "mcptasks-operator", "mcptasks-runner"

ALLOWED = [
    (SERVER, "create", "mcptasks.mcptasks.dev"),
    (SERVER, "patch", "mcptasks.mcptasks.dev/status"),
    (SERVER, "create", "tokenreviews.authentication.k8s.io"),
    (SERVER, "watch", "mcptasktemplates.mcptasks.dev"),
    (SERVER, "watch", "pods"),
    (SERVER, "patch", "configmaps:mcptasks-cancelled-calls"),
    (OPERATOR, "create", "jobs.batch"),
    # Workers' Pods are not a Job's.
    (OPERATOR, "create", "pods"),
    (OPERATOR, "patch", "pods"),
    (OPERATOR, "patch", "mcptasktemplates.mcptasks.dev/status"),
    (OPERATOR, "delete", "mcptasks.mcptasks.dev"),
    (OPERATOR, "update", "leases.coordination.k8s.io:mcptasks-operator"),
]
"""Account, verb, and kind, with `/` and a subresource or `:` and an object's name."""

FORBIDDEN = [
    *((SERVER, verb, "jobs.batch") for verb in ("create", "delete", "patch", "get")),
    *((SERVER, verb, "pods") for verb in ("create", "delete", "update", "patch")),
    (SERVER, "create", "pods/exec"),
    *((SERVER, verb, "configmaps") for verb in ("create", "list", "patch", "delete")),
    *((SERVER, verb, "mcptasks.mcptasks.dev") for verb in ("delete", "update")),
    (SERVER, "update", "mcptasktemplates.mcptasks.dev"),
    (SERVER, "patch", "mcptasktemplates.mcptasks.dev/status"),
    *((OPERATOR, verb, "mcptasks.mcptasks.dev") for verb in ("create", "update", "patch")),
    (OPERATOR, "update", "pods"),
    (OPERATOR, "create", "pods/exec"),
    (OPERATOR, "create", "tokenreviews.authentication.k8s.io"),
    (OPERATOR, "update", "mcptasktemplates.mcptasks.dev"),
    (OPERATOR, "patch", "mcptasktemplates.mcptasks.dev"),
    *((account, verb, "secrets") for account in (SERVER, OPERATOR) for verb in ("get", "list", "create")),
    *((account, "create", "serviceaccounts/token") for account in (SERVER, OPERATOR)),
    *((account, "create", "rolebindings.rbac.authorization.k8s.io") for account in (SERVER, OPERATOR)),
    *((RUNNER, "get", kind) for kind in ("pods", "secrets", "configmaps", "mcptasks.mcptasks.dev", "jobs.batch")),
    *((RUNNER, "create", kind) for kind in ("pods", "mcptasks.mcptasks.dev", "jobs.batch", "pods/exec")),
    (RUNNER, "patch", "mcptasks.mcptasks.dev/status"),
    (RUNNER, "create", "tokenreviews.authentication.k8s.io"),
]


@pytest.fixture(scope="module")
def accounts(deployment: Deployment, kubectl: Kubectl) -> None:
    """The accounts and roles of deploy/. On a real cluster the installation has brought them."""
    if deployment.embedded:
        text = RBAC.read_text().replace("namespace: mcptasks\n", f"namespace: {deployment.namespace}\n")
        kubectl.apply(*[item for item in yaml.safe_load_all(text) if item])


def can(kubectl: Kubectl, account: str, verb: str, kind: str, namespace: str | None = None) -> bool:
    user = f"--as=system:serviceaccount:{kubectl.namespace}:{account}"
    where = [f"--namespace={namespace}"] if namespace else []
    answer = kubectl.run("auth", "can-i", verb, *_resource(kind), user, *where, check=False)
    # It warns, after its answer, where a kind has no namespace.
    return "yes" in answer.split()


def _resource(kind: str) -> list[str]:
    plain, _, subresource = kind.partition("/")
    return [plain, f"--subresource={subresource}"] if subresource else [plain.replace(":", "/")]


@pytest.mark.usefixtures("accounts")
def test_each_account_can_do_its_part(kubectl: Kubectl) -> None:
    assert [rule for rule in ALLOWED if not can(kubectl, *rule)] == []


@pytest.mark.usefixtures("accounts")
def test_no_account_can_do_more(kubectl: Kubectl) -> None:
    assert [rule for rule in FORBIDDEN if can(kubectl, *rule)] == []


@pytest.mark.usefixtures("accounts")
def test_no_account_reaches_another_namespace(kubectl: Kubectl) -> None:
    elsewhere = [
        (SERVER, "create", "mcptasks.mcptasks.dev"),
        (OPERATOR, "create", "jobs.batch"),
        (OPERATOR, "get", "pods"),
        (OPERATOR, "get", "leases.coordination.k8s.io"),
    ]
    assert [rule for rule in elsewhere if can(kubectl, *rule, namespace="kube-system")] == []


@pytest.fixture(scope="module")
def surroundings(client: RawClient) -> JsonObject:
    folders = ["/", "/app", "/etc", "/usr/local/bin", "/var/run/secrets", "/opt/mcptasks", "/tmp"]
    found: JsonObject = client.result(client.create("look_around", {"folders": folders}))["structuredContent"]
    return found


def test_a_pod_asks_for_no_privilege_and_no_account_token(client: RawClient, look: Look) -> None:
    task_id = client.create("add", {"a": 1, "b": 2})
    client.wait(task_id)
    (pod,) = look.pods(task_id)
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert spec["serviceAccountName"] == RUNNER
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [kind for kind in ("hostNetwork", "hostPID", "hostIPC") if spec.get(kind)] == []
    kinds = [kind for volume in spec["volumes"] for kind in volume if kind != "name"]
    assert sorted(kinds) == ["emptyDir", "projected"]
    (source,) = next(v["projected"]["sources"] for v in spec["volumes"] if "projected" in v)
    assert source["serviceAccountToken"]["audience"] == "mcptasks.dev/gateway"
    assert [entry for entry in container["env"] if "valueFrom" in entry] == []


def test_the_namespace_enforces_the_restricted_profile_where_the_cluster_can(
    deployment: Deployment, kubectl: Kubectl
) -> None:
    """Task Pods run in the namespace of all these tests, so that they pass; here is that others do not."""
    if deployment.embedded:
        labels = yaml.safe_load((RBAC.parent / "namespace.yaml").read_text())["metadata"]["labels"]
    else:
        labels = kubectl.get("namespace", deployment.namespace)["metadata"]["labels"]
        answer = kubectl.run("run", "root", "--image=none", "--privileged", check=False)
        assert 'violates PodSecurity "restricted' in answer
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_tool_finds_no_secret_but_the_gateways_token(surroundings: JsonObject, deployment: Deployment) -> None:
    # On the embedded cluster a Pod's files are elsewhere, and these are the machine's.
    expected = [] if deployment.embedded else ["/var/run/secrets/mcptasks.dev/token"]
    assert surroundings["secrets"] == expected


def test_a_tool_is_not_root_and_can_write_to_tmp_only_where_the_cluster_can_enforce_it(
    surroundings: JsonObject, deployment: Deployment
) -> None:
    assert "/tmp" in surroundings["writable"]
    if not deployment.embedded:
        assert surroundings["user"] != 0
        assert surroundings["writable"] == ["/tmp"]
        assert int(surroundings["capabilities"], 16) == 0
        assert surroundings["no_new_privileges"].strip() == "1"


# --- Other tasks ---


def requests_about(victim: str, namespace: str) -> list[JsonObject]:
    """What a Pod may try in order to reach another task through the gateway."""
    outcome = {"kind": "result", "text": '{"content":[{"type":"text","text":"forged"}]}'}
    forged = outcome | {"taskId": victim, "name": victim, "task": victim}
    pretend = {"x-task-id": victim, "mcptasks-task": victim, "x-forwarded-user": f"system:serviceaccount:{namespace}:x"}
    return [
        {"url": f"/v1/assignment/{victim}"},
        {"url": f"/v1/tasks/{victim}"},
        {"url": f"/v1/outcome/{victim}", "method": "POST", "body": outcome},
        {"url": f"/v1/{victim}/outcome", "method": "POST", "body": outcome},
        {"url": f"/v1/assignment/../outcome?task={victim}", "method": "PUT", "body": forged, "headers": pretend},
    ]


def send(client: RawClient, requests: list[JsonObject]) -> list[JsonObject]:
    answers: list[JsonObject] = client.result(client.create("send", {"requests": requests}))["structuredContent"][
        "result"
    ]
    return answers


@pytest.fixture
def victim(client: RawClient, look: Look) -> str:
    task_id = client.create("nap", {"seconds": 45, "steps": 2})
    look.running(task_id)
    return task_id


def forged_token(own: str, pod: JsonObject, task: str) -> str:
    """A token's claims for another Pod under the signature of one's own."""
    header, claims, signature = own.split(".")
    text = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
    changed = json.loads(text)
    changed.setdefault("kubernetes.io", {})["pod"] = {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    body = base64.urlsafe_b64encode(json.dumps(changed | {"task": task}).encode()).rstrip(b"=").decode()
    return f"{header}.{body}.{signature}"


def test_a_pod_cannot_read_or_report_on_another_task_through_the_gateway(
    client: RawClient, look: Look, victim: str, deployment: Deployment
) -> None:
    answers = send(client, requests_about(victim, deployment.namespace))
    assert {answer["status"] for answer in answers} <= {401, 403, 404, 405}
    assert [answer for answer in answers if "arguments" in answer["body"]] == []
    # Its own assignment, whatever it asks for besides: the gateway goes by the token alone.
    query = {"url": f"/v1/assignment?task={victim}&taskId={victim}", "headers": {"x-task-id": victim}}
    (own,) = send(client, [query])
    assert own["status"] == 200
    assert victim not in (json.loads(own["body"])["taskId"], json.loads(own["body"])["uid"])
    assert client.wait(victim, seconds=90)["status"] == "completed"
    assert client.result(victim)["content"][0]["text"] == "rested"
    assert look.status(victim)["attempts"] == 1


def test_a_report_counts_for_the_pods_own_task_whatever_its_body_says(client: RawClient, victim: str) -> None:
    text = '{"content":[{"type":"text","text":"forged"}],"isError":false}'
    forged = {"kind": "result", "text": text, "taskId": victim, "task": victim, "name": victim}
    attacker = client.create("send", {"requests": [{"url": "/v1/outcome", "method": "POST", "body": forged}]})
    assert client.result(attacker)["content"][0]["text"] == "forged"
    assert client.wait(victim, seconds=90)["status"] == "completed"
    assert client.result(victim)["content"][0]["text"] == "rested"


def test_the_gateway_refuses_tokens_that_are_not_a_task_pods_own(
    client: RawClient, look: Look, kubectl: Kubectl, victim: str
) -> None:
    pod = look.pods(victim)[0]
    audience = "--audience=mcptasks.dev/gateway"
    unbound = kubectl.run("create", "token", RUNNER, audience).strip()
    other_audience = kubectl.run("create", "token", RUNNER, *_bound(pod)).strip()
    own = kubectl.run("create", "token", RUNNER, audience, *_bound(look.pods(victim)[0])).strip()
    tokens = [
        "none",
        "nonsense",
        "a.b.c",
        unbound,
        other_audience,
        forged_token(unbound, pod, victim),
        own[:-4] + "AAAA",
    ]
    outcome = {"kind": "result", "text": '{"content":[]}'}
    calls: list[JsonObject] = [{"url": "/v1/assignment"}, {"url": "/v1/outcome", "method": "POST", "body": outcome}]
    answers = send(client, [call | {"token": token} for token in tokens for call in calls])
    assert {answer["status"] for answer in answers} <= {401, 403}
    untouched(client, look, victim)


def _bound(pod: JsonObject) -> list[str]:
    metadata = pod["metadata"]
    return [
        "--bound-object-kind=Pod",
        f"--bound-object-name={metadata['name']}",
        f"--bound-object-uid={metadata['uid']}",
    ]


def test_a_pod_has_nothing_to_say_to_the_kubernetes_api(
    client: RawClient, look: Look, deployment: Deployment, victim: str
) -> None:
    with ClusterApi(deployment.kubeconfig, deployment.namespace) as api:
        server = api.server
    task = f"{server}/apis/mcptasks.dev/v1alpha1/namespaces/{deployment.namespace}/mcptasks/{victim}"
    core = f"{server}/api/v1/namespaces/{deployment.namespace}"
    patch = {"status": {"phase": "failed", "message": "forged"}}
    merge = {"content-type": "application/merge-patch+json"}
    calls: list[JsonObject] = [
        {"url": task},
        {"url": f"{task}/status", "method": "PATCH", "body": patch, "headers": merge},
        {"url": task, "method": "DELETE"},
        {"url": f"{core}/secrets"},
        {"url": f"{core}/pods"},
        {"url": f"{core}/serviceaccounts/{RUNNER}/token", "method": "POST", "body": {}},
    ]
    answers = send(client, calls + [call | {"token": "none"} for call in calls])
    assert {answer["status"] for answer in answers} <= {401, 403}
    untouched(client, look, victim)


def untouched(client: RawClient, look: Look, victim: str) -> None:
    """The victim runs as if nothing had happened. Ends it."""
    status = look.status(victim)
    assert (status["phase"], status["reason"], status["attempts"]) == ("working", "Running", 1), status
    client.cancel(victim)
