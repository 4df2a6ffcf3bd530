"""The dashboard: off by default, with the rights that its viewers may have, reachable and asking who looks."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from tests.chart.helm import Rendered, refusal, render

ON: JsonObject = {"dashboard": {"enabled": True}}
PROXY: JsonObject = {"dashboard": {"enabled": True, "auth": "proxy", "proxy": {"trusted": ["10.0.3.0/24", "10.0.4.1"]}}}


def kinds(rendered: Rendered) -> set[str]:
    return {item["kind"] for item in rendered.objects if "dashboard" in item["metadata"]["name"]}


def pod(values: JsonObject) -> JsonObject:
    spec: JsonObject = render(values).find("Deployment", "mcptasks-dashboard")["spec"]["template"]["spec"]
    return spec


def environment(values: JsonObject) -> dict[str, object]:
    container = pod(values)["containers"][0]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def test_it_is_off_by_default() -> None:
    assert kinds(render({})) == set()


def test_it_has_objects_of_its_own() -> None:
    expected = {"Deployment", "Service", "ServiceAccount", "NetworkPolicy", "Role", "RoleBinding"}
    assert kinds(render(ON)) == expected | {"ClusterRole", "ClusterRoleBinding"}
    assert pod(ON)["serviceAccountName"] == "mcptasks-dashboard"


def test_viewers_are_asked_who_they_are() -> None:
    assert environment(ON)["MCPTASKS_DASHBOARD_AUTH"] == "token"
    assert "auth" in refusal({"dashboard": {"enabled": True, "auth": "none"}})


def test_only_the_named_proxies_are_believed() -> None:
    assert environment(PROXY)["MCPTASKS_DASHBOARD_TRUSTED_PROXIES"] == "10.0.3.0/24,10.0.4.1"
    assert "dashboard.proxy.trusted" in refusal({"dashboard": {"enabled": True, "auth": "proxy"}})


def test_proxies_in_front_can_be_named_where_viewers_sign_in_with_a_token() -> None:
    named = environment({"dashboard": {"enabled": True, "proxy": {"trusted": ["10.0.3.0/24"]}}})
    assert named["MCPTASKS_DASHBOARD_TRUSTED_PROXIES"] == "10.0.3.0/24"
    assert "MCPTASKS_DASHBOARD_TRUSTED_PROXIES" not in environment(ON)


def test_it_may_ask_about_others_and_nothing_else_in_the_whole_cluster() -> None:
    rules = render(ON).find("ClusterRole", "mcptasks.mcptasks-dashboard-reviews")["rules"]
    assert [(rule["resources"], rule["verbs"]) for rule in rules] == [
        (["tokenreviews"], ["create"]),
        (["subjectaccessreviews"], ["create"]),
    ]


def test_it_has_neither_secrets_nor_deletes_nor_pods_to_make() -> None:
    role = render(ON).find("Role", "mcptasks-dashboard")
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert ("pods/log", "get") in granted
    assert {resource for resource, _ in granted} == {
        "mcptasks", "mcptasks/status", "mcptasktemplates", "pods", "pods/log", "events"
    }  # fmt: skip
    assert {verb for _, verb in granted} == {"create", "get", "list", "watch", "patch"}
    assert {resource for resource, verb in granted if verb == "create"} == {"mcptasks"}


def test_it_shows_the_namespaces_that_are_watched() -> None:
    values = ON | {"watchNamespaces": ["team-a"]}
    assert environment(values)["MCPTASKS_WATCH_NAMESPACES"] == "mcptasks,team-a"
    assert render(values).find("Role", "mcptasks.mcptasks-dashboard")["metadata"]["namespace"] == "team-a"


def test_several_replicas_share_a_secret() -> None:
    assert "dashboard.key.existingSecret" in refusal({"dashboard": {"enabled": True, "replicas": 2}})
    shared = {"dashboard": {"enabled": True, "replicas": 2, "key": {"existingSecret": "s"}}}
    assert environment(shared)["MCPTASKS_DASHBOARD_KEY"] == {"secretKeyRef": {"name": "s", "key": "dashboard-key"}}


def test_its_pages_are_reached_at_its_port_by_whom_one_says() -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"name": "proxy"}}}]
    policy = render(ON | {"networkPolicy": {"dashboard": {"from": peers}}}).find("NetworkPolicy", "mcptasks-dashboard")
    assert policy["spec"]["ingress"] == [{"ports": [{"port": 8090, "protocol": "TCP"}], "from": peers}]


def test_it_reads_results_where_the_server_keeps_them() -> None:
    assert "MCPTASKS_REDIS_URL" in environment(ON | {"redis": {"enabled": True}})
    policy = render(ON | {"redis": {"enabled": True}}).find("NetworkPolicy", "mcptasks-redis")
    peers = policy["spec"]["ingress"][0]["from"]
    names = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in peers]
    assert names == ["server", "dashboard", "operator"]


@pytest.mark.parametrize("host", ["mcptasks-dashboard", "mcptasks-dashboard.mcptasks.svc", "tasks.example.com"])
def test_it_goes_by_the_names_that_it_is_called(host: str) -> None:
    values = {"dashboard": {"enabled": True, "allowedHosts": ["tasks.example.com"]}}
    assert host in str(environment(values)["MCPTASKS_ALLOWED_HOSTS"]).split(",")
