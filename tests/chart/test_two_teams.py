"""Two teams in two namespaces (docs/platform/two-teams.md): what the files give whom, without a cluster."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from tests.chart.helm import Rendered, environment, render
from tests.chart.kubernetes_schema import MODELS, faults
from tests.chart.two_teams import PLATFORM, TEAM_A, TEAM_B, TwoTeams

FILES = TwoTeams()
TEAMS = pytest.mark.parametrize("team", [TEAM_A, TEAM_B])


def release_of(team: str) -> Rendered:
    return render(FILES.values(f"{team}.yaml"), release="tools", namespace=team)


def operator() -> Rendered:
    return render(FILES.values("operator.yaml"), namespace=PLATFORM)


def test_what_is_applied_first_is_of_the_kubernetes_api() -> None:
    objects = FILES.objects()
    assert [fault for item in objects if item["kind"] in MODELS for fault in faults(item)] == []
    assert {item["metadata"]["name"] for item in objects if item["kind"] == "Namespace"} == {PLATFORM, TEAM_A, TEAM_B}


@TEAMS
def test_both_teams_get_the_same(team: str) -> None:
    kinds = sorted(item["kind"] for item in FILES.objects() if item["metadata"].get("namespace") == team)
    assert kinds == ["LimitRange", "ResourceQuota", "RoleBinding", "ServiceAccount"]


def test_a_teams_rights_are_to_its_tasks_and_to_look() -> None:
    (role,) = [item for item in FILES.objects() if item["kind"] == "ClusterRole"]
    changes = {
        (group, resource): sorted(set(rule["verbs"]) - {"get", "list", "watch"})
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert {key: verbs for key, verbs in changes.items() if verbs} == {
        ("mcptasks.dev", "mcptasks"): ["create", "delete", "patch"]
    }
    assert ("", "secrets") not in changes


def test_one_release_has_operator_and_custom_resources() -> None:
    rendered = operator()
    assert [item["metadata"]["name"] for item in rendered.all("Deployment")] == [
        "mcptasks-dashboard",
        "mcptasks-operator",
    ]
    assert len(rendered.all("CustomResourceDefinition")) == 2
    watched = environment(rendered.find("Deployment", "mcptasks-operator"))["MCPTASKS_WATCH_NAMESPACES"]
    assert set(str(watched).split(",")) >= {TEAM_A, TEAM_B}


@TEAMS
def test_a_teams_release_has_its_server_alone(team: str) -> None:
    rendered = release_of(team)
    assert [item["metadata"]["name"] for item in rendered.all("Deployment")] == ["tools-mcptasks-server"]
    assert rendered.all("CustomResourceDefinition") == []
    namespaces = {item["metadata"].get("namespace", team) for item in rendered.objects}
    assert namespaces == {team}


def test_no_object_of_the_three_releases_has_the_name_of_another() -> None:
    objects = [*operator().objects, *release_of(TEAM_A).objects, *release_of(TEAM_B).objects, *FILES.objects()]
    keys = [key_of(item) for item in objects]
    assert len(keys) == len(set(keys))


def key_of(item: JsonObject) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


@pytest.mark.parametrize("file", ["operator", TEAM_A, TEAM_B])
def test_every_image_is_one_of_the_platforms_registry(file: str) -> None:
    """There is none on a public one."""
    objects = render(FILES.values(f"{file}.yaml"), release="tools", namespace=file).objects
    images = {image for item in objects for image in images_of(item)}
    assert images
    assert {image for image in images if not image.startswith("registry.example.com/")} == set()


def images_of(item: JsonObject) -> list[str]:
    """The images of an object's containers, those of a task template included."""
    if item["kind"] == "McpTaskTemplate":
        pod = item["spec"]["podTemplate"]["spec"]
    elif item["kind"] == "Pod":
        pod = item["spec"]
    else:
        pod = item["spec"].get("template", {}).get("spec", {}) if "spec" in item else {}
    return [container["image"] for container in pod.get("containers", [])]


@TEAMS
def test_pods_of_other_namespaces_do_not_reach_a_teams_endpoint(team: str) -> None:
    policy = release_of(team).find("NetworkPolicy", "tools-mcptasks-server")["spec"]
    peers = [rule["from"] for rule in policy["ingress"] if any(port["port"] == 8000 for port in rule["ports"])]
    named = FILES.values(f"{team}.yaml")["networkPolicy"]["server"]["from"]
    (found,) = peers
    assert found[: len(named)] == named
    assert [peer for peer in found[len(named) :] if "namespaceSelector" in peer] == []
