"""Who reaches whom: Services, Ingress and NetworkPolicies."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from tests.chart.helm import refusal, render


class TestNetworkPolicies:
    def policy(self, values: JsonObject, name: str) -> JsonObject:
        spec: JsonObject = render(values).find("NetworkPolicy", f"mcptasks-{name}")["spec"]
        return spec

    def test_gateway_is_for_task_pods(self) -> None:
        rule = next(one for one in self.policy({}, "server")["ingress"] if one["ports"][0]["port"] == 8001)
        task, test = rule["from"]
        assert task == {"podSelector": {"matchExpressions": [{"key": "mcptasks.dev/task-uid", "operator": "Exists"}]}}
        assert test["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "test"

    def test_gateway_is_for_task_pods_of_other_namespaces_where_those_are_watched(self) -> None:
        rule = self.policy({"watchNamespaces": ["team-a"]}, "server")["ingress"][1]
        assert rule["from"][0]["namespaceSelector"] == {}

    def test_task_pods_reach_gateway_and_dns_only(self) -> None:
        policy = self.policy({}, "tasks")
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert policy["ingress"] == []
        gateway, dns = policy["egress"]
        assert gateway["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "server"
        assert [one["port"] for one in gateway["ports"]] == [8001]
        assert {one["port"] for one in dns["ports"]} == {53}

    def test_dns_is_that_of_the_cluster_and_no_other(self) -> None:
        rule = self.policy({}, "tasks")["egress"][1]
        assert rule["to"] == [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            },
            {"ipBlock": {"cidr": "169.254.20.10/32"}},
        ]

    def test_each_rule_of_task_pods_says_where_to(self) -> None:
        values = {"watchNamespaces": ["team-a"], "networkPolicy": {"tasks": {"inWatchedNamespaces": True}}}
        rules = [rule for item in render(values).all("NetworkPolicy", "task") for rule in item["spec"]["egress"]]
        assert len(rules) == 4
        assert all(rule["to"] for rule in rules)

    def test_dns_can_be_elsewhere(self) -> None:
        there = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}}
        rule = self.policy({"networkPolicy": {"tasks": {"dnsTo": [there], "dnsPorts": [5353]}}}, "tasks")["egress"][1]
        assert rule["to"] == [there]
        assert {one["port"] for one in rule["ports"]} == {5353}

    @pytest.mark.parametrize(
        "wrong",
        [
            [],
            [{}],
            ["10.0.0.10/32"],
            [{"ipBlock": {"cidr": "10.0.0.10"}}],
            [{"podSelector": {"k8s-app": "kube-dns"}}],
            [{"ipBlock": {"cidr": "10.0.0.10/32"}, "podSelector": {}}],
        ],
        ids=str,
    )
    def test_a_place_of_dns_that_is_not_one_or_everywhere_is_refused(self, wrong: list[object]) -> None:
        assert "dnsTo" in refusal({"networkPolicy": {"tasks": {"dnsTo": wrong}}})

    def test_task_pods_can_be_opened(self) -> None:
        rule = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
        assert self.policy({"networkPolicy": {"tasks": {"egress": [rule]}}}, "tasks")["egress"][-1] == rule
        assert self.policy({"networkPolicy": {"tasks": {"allowAllEgress": True}}}, "tasks")["egress"] == [{}]

    def test_task_pods_of_watched_namespaces_are_bounded_where_that_is_asked_for(self) -> None:
        def bounded(**tasks: bool) -> dict[str, JsonObject]:
            rendered = render({"watchNamespaces": ["team-a"], "networkPolicy": {"tasks": tasks}})
            return {item["metadata"]["namespace"]: item["spec"] for item in rendered.all("NetworkPolicy", "task")}

        assert set(bounded()) == {"mcptasks"}
        asked = bounded(inWatchedNamespaces=True)
        assert set(asked) == {"mcptasks", "team-a"}
        gateway, away = (asked[name]["egress"][0]["to"][0] for name in ("mcptasks", "team-a"))
        assert "namespaceSelector" not in gateway
        assert away == gateway | {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "mcptasks"}},
        }
        assert asked["team-a"]["podSelector"] == asked["mcptasks"]["podSelector"]

    def test_nothing_but_scrapes_gets_in_at_the_operator(self) -> None:
        assert self.policy({}, "operator")["ingress"] == [{"ports": [{"port": 9090, "protocol": "TCP"}]}]
        assert self.policy({"metrics": {"enabled": False}}, "operator")["ingress"] == []

    @pytest.mark.parametrize("component", ["server", "operator"])
    def test_scrapes_can_be_narrowed(self, component: str) -> None:
        prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        values = {"networkPolicy": {"metrics": {"from": [prometheus]}}}
        assert self.policy(values, component)["ingress"][-1]["from"] == [prometheus]

    @pytest.mark.parametrize("component", ["server", "operator"])
    def test_leave_is_free_until_there_are_rules(self, component: str) -> None:
        free = self.policy({}, component)
        assert (free["policyTypes"], "egress" in free) == (["Ingress"], False)
        rule = {"ports": [{"port": 443, "protocol": "TCP"}]}
        bounded = self.policy({"networkPolicy": {component: {"egress": [rule]}}}, component)
        assert (bounded["policyTypes"], bounded["egress"]) == (["Ingress", "Egress"], [rule])

    def test_are_optional(self) -> None:
        assert render({"networkPolicy": {"enabled": False}}).all("NetworkPolicy") == []


class TestExposure:
    def test_objects_have_labels_of_their_own(self) -> None:
        rendered = render(
            {
                "ingress": {"enabled": True, "hosts": ["a.example.com"], "labels": {"public": "yes"}},
                "httpRoute": {
                    "enabled": True,
                    "parentRefs": [{"name": "g"}],
                    "hostnames": ["b.example.com"],
                    "labels": {"public": "yes"},
                },
            }
        )
        for kind in ("Ingress", "HTTPRoute"):
            assert rendered.find(kind, "mcptasks")["metadata"]["labels"]["public"] == "yes"

    def test_streams_have_time(self) -> None:
        rendered = render(
            {
                "ingress": {"enabled": True, "hosts": ["a.example.com"]},
                "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["b.example.com"]},
            }
        )
        annotations = rendered.find("Ingress", "mcptasks")["metadata"]["annotations"]
        assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "3600"
        rule = rendered.find("HTTPRoute", "mcptasks")["spec"]["rules"][0]
        assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}

    def test_gateway_is_never_exposed(self) -> None:
        rendered = render(
            {"server": {"service": {"type": "LoadBalancer"}}, "ingress": {"enabled": True, "hosts": ["a.example.com"]}}
        )
        assert "type" not in rendered.find("Service", "mcptasks-gateway")["spec"]
        assert "mcptasks-gateway" not in str(rendered.find("Ingress", "mcptasks"))

    def test_ingress_needs_its_hosts(self) -> None:
        assert "needs ingress.hosts" in refusal({"ingress": {"enabled": True}})
