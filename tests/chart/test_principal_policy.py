"""Only the server may say who has called: the admission policy of the chart and of `deploy/`."""

from __future__ import annotations

import pytest
import yaml

from mcptasks.model.base import JsonObject
from tests.chart.helm import ROOT, Rendered, refusal, render

POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
NAME = "mcptasks.mcptasks-principal"


def servers(rendered: Rendered) -> str:
    """The users that the policy lets pass."""
    variables = {one["name"]: one["expression"] for one in rendered.all(POLICY)[0]["spec"]["variables"]}
    return str(variables["servers"])


def test_it_is_there_where_the_api_server_has_such_policies() -> None:
    rendered = render()
    assert servers(rendered) == '["system:serviceaccount:mcptasks:mcptasks-server"]'
    binding = rendered.find(BINDING, NAME)["spec"]
    assert binding["policyName"] == rendered.find(POLICY, NAME)["metadata"]["name"]
    assert binding["validationActions"] == ["Deny"]
    selected = binding["matchResources"]["namespaceSelector"]["matchLabels"]
    assert selected == {"kubernetes.io/metadata.name": "mcptasks"}


def test_it_is_about_making_and_changing_tasks_and_nothing_else() -> None:
    (rule,) = render().find(POLICY, NAME)["spec"]["matchConstraints"]["resourceRules"]
    assert (rule["apiGroups"], rule["resources"]) == (["mcptasks.dev"], ["mcptasks"])
    assert rule["operations"] == ["CREATE", "UPDATE"]


@pytest.mark.parametrize("values", [{"principalPolicy": {"enabled": False}}, {"server": {"enabled": False}}])
def test_it_can_be_left_out_and_belongs_to_a_server(values: JsonObject) -> None:
    rendered = render(values)
    assert [*rendered.all(POLICY), *rendered.all(BINDING)] == []


def test_it_names_the_account_that_the_server_has_and_further_users() -> None:
    rendered = render(
        {
            "namespaceOverride": "team",
            "server": {"serviceAccount": {"create": False, "name": "team"}},
            "principalPolicy": {"enabled": True, "users": ["system:serviceaccount:team:another"]},
        }
    )
    assert servers(rendered) == '["system:serviceaccount:team:team","system:serviceaccount:team:another"]'
    assert "(system:serviceaccount:team:team)" in rendered.all(POLICY)[0]["spec"]["validations"][0]["message"]


def test_releases_in_different_namespaces_have_policies_of_their_own() -> None:
    names = {render(namespace=namespace).all(POLICY)[0]["metadata"]["name"] for namespace in ("a", "b")}
    assert len(names) == 2


def test_no_two_releases_have_anything_of_the_cluster_in_common() -> None:
    """Although the names of release and namespace, put together, are the same."""
    one = render(release="mcptasks", namespace="x-mcptasks")
    other = render(release="mcptasks-x", namespace="mcptasks")
    names = [
        {(item["kind"], item["metadata"]["name"]) for item in each.objects if "namespace" not in item["metadata"]}
        for each in (one, other)
    ]
    assert {kind for kind, _ in names[0] & names[1]} <= {"CustomResourceDefinition"}


def test_a_server_of_another_release_is_known_by_a_right_that_its_account_has() -> None:
    rendered = render()
    variables = {one["name"]: one["expression"] for one in rendered.all(POLICY)[0]["spec"]["variables"]}
    asked = "group('mcptasks.dev').resource('mcptasks').subresource('principal').namespace(request.namespace)"
    assert f"{asked}.check('set')" in variables["isServer"]
    rule = {"apiGroups": ["mcptasks.dev"], "resources": ["mcptasks/principal"], "verbs": ["set"]}
    holders = [
        role["metadata"]["name"]
        for kind in ("Role", "ClusterRole")
        for role in rendered.all(kind)
        if rule in (role.get("rules") or ())
    ]
    assert holders == ["mcptasks-server"]


def test_it_cannot_be_asked_for_in_other_words() -> None:
    assert "/principalPolicy/enabled" in refusal({"principalPolicy": {"enabled": "yes"}})


def test_the_manifests_have_the_same() -> None:
    rendered = render()
    text = (ROOT / "deploy" / "principal-policy.yaml").read_text()
    for item in yaml.safe_load_all(text):
        ours = rendered.all(item["kind"])[0]["spec"]
        assert ours | {"policyName": None} == item["spec"] | {"policyName": None}


@pytest.mark.parametrize(("enabled", "count"), [("auto", 0), (True, 1)])
def test_without_such_policies_there_is_none_unless_it_is_asked_for(enabled: object, count: int) -> None:
    assert len(render({"principalPolicy": {"enabled": enabled}}, policies=False).all(POLICY)) == count
