"""Metrics: their Services, monitors, alerts and the dashboard."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from tests.chart.helm import ROOT, container, environment, refusal, render
from tests.chart.parts import server


class TestMetrics:
    MONITORS: tuple[str, ...] = ("serviceMonitor", "podMonitor")

    @pytest.mark.parametrize("component", ["server", "operator"])
    def test_have_a_service_and_a_port_of_their_own(self, component: str) -> None:
        rendered = render()
        service = rendered.find("Service", f"mcptasks-{component}-metrics")["spec"]
        deployment = rendered.find("Deployment", f"mcptasks-{component}")
        assert service["selector"] == deployment["spec"]["selector"]["matchLabels"]
        assert service["ports"][0]["targetPort"] == "metrics"
        assert {"name": "metrics", "containerPort": 9090} in container(deployment)["ports"]
        assert environment(deployment)["MCPTASKS_METRICS_PORT"] == "9090"

    def test_endpoint_does_not_lead_to_them(self) -> None:
        assert [port["name"] for port in render().find("Service", "mcptasks")["spec"]["ports"]] == ["mcp"]

    def test_can_be_left_out(self) -> None:
        rendered = render({"metrics": {"enabled": False}})
        assert {item["metadata"]["name"] for item in rendered.all("Service")} == {"mcptasks", "mcptasks-gateway"}
        assert "MCPTASKS_METRICS_PORT" not in environment(server(rendered))

    @pytest.mark.parametrize(
        ("monitor", "kind", "endpoints", "target"),
        [
            ("serviceMonitor", "ServiceMonitor", "endpoints", "Service"),
            ("podMonitor", "PodMonitor", "podMetricsEndpoints", "Deployment"),
        ],
    )
    def test_monitors_find_what_they_are_for(self, monitor: str, kind: str, endpoints: str, target: str) -> None:
        rendered = render({"metrics": {monitor: {"enabled": True, "labels": {"release": "p"}, "namespace": "mon"}}})
        found = rendered.all(kind)
        assert len(found) == 2
        for item in found:
            assert item["metadata"]["namespace"] == "mon"
            assert item["metadata"]["labels"]["release"] == "p"
            assert item["spec"]["namespaceSelector"] == {"matchNames": ["mcptasks"]}
            assert item["spec"][endpoints][0]["port"] == "metrics"
            wanted = item["spec"]["selector"]["matchLabels"].items()
            owners = rendered.all(target)
            labels = [
                one["metadata"]["labels"] if target == "Service" else one["spec"]["template"]["metadata"]["labels"]
                for one in owners
            ]
            assert sum(wanted <= one.items() for one in labels) == 1

    def test_only_one_kind_of_monitor_can_be_used(self) -> None:
        both = {monitor: {"enabled": True} for monitor in self.MONITORS}
        assert "enable one of them" in refusal({"metrics": both})

    @pytest.mark.parametrize("what", ["serviceMonitor", "podMonitor", "prometheusRule"])
    def test_nothing_looks_for_metrics_that_are_not_there(self, what: str) -> None:
        assert "needs metrics.enabled" in refusal({"metrics": {"enabled": False, what: {"enabled": True}}})

    def rules(self, **values: Any) -> list[JsonObject]:
        rendered = render({"metrics": {"prometheusRule": {"enabled": True, **values}}})
        found: list[JsonObject] = rendered.find("PrometheusRule", "mcptasks")["spec"]["groups"][0]["rules"]
        return found

    def test_alerts_look_at_the_release_only(self) -> None:
        for rule in self.rules():
            assert rule["expr"].count("mcptasks_") == rule["expr"].count('namespace="mcptasks"')

    def test_alerts_lead_to_their_runbooks(self) -> None:
        titles = re.findall(r"^### (\S+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
        rules = self.rules(runbookUrl="https://x/operations.md")
        assert [rule["annotations"]["runbook_url"] for rule in rules] == [
            f"https://x/operations.md#{rule['alert'].lower()}" for rule in rules
        ]
        assert [rule["alert"] for rule in rules] == [title for title in titles if title.startswith("McpTasks")]

    def test_alerts_can_be_left_out_and_added(self) -> None:
        mine = {"alert": "Mine", "expr": "vector(1)"}
        rules = self.rules(disabled=["McpTasksTooMany"], extraRules=[mine])
        assert "McpTasksTooMany" not in [rule["alert"] for rule in rules]
        assert rules[-1] == mine

    def test_objectives_say_which_share_may_be_bad(self) -> None:
        for objective, alert in (
            ("requests", "RequestsBudget"),
            ("outcomes", "OutcomesBudget"),
            ("starts", "StartsBudget"),
        ):
            rules = {rule["alert"]: rule["expr"] for rule in self.rules(objectives={objective: 0.9875})}
            text = rules[f"McpTasks{alert}"]
            assert text.count("14.4 * (1 - 0.9875)") == text.count("> 6 * (1 - 0.9875)") == 2
            assert set(re.findall(r"\[(\w+)\]", text)) == {"5m", "30m", "1h", "6h"}
            assert "$" not in text

    @pytest.mark.parametrize("missing", ["server", "operator"])
    def test_the_share_of_tasks_that_fail_needs_what_server_and_operator_say(self, missing: str) -> None:
        rendered = render({missing: {"enabled": False}, "metrics": {"prometheusRule": {"enabled": True}}})
        rules = rendered.find("PrometheusRule", "mcptasks")["spec"]["groups"][0]["rules"]
        assert "McpTasksOutcomesBudget" not in [rule["alert"] for rule in rules]

    @pytest.mark.parametrize("share", [0, 1, 99.9])
    def test_an_objective_is_a_share(self, share: float) -> None:
        told = refusal({"metrics": {"prometheusRule": {"enabled": True, "objectives": {"starts": share}}}})
        assert "objectives" in told

    def test_dashboard_is_found_by_grafana(self) -> None:
        rendered = render({"metrics": {"dashboard": {"enabled": True, "namespace": "grafana"}}})
        found = rendered.find("ConfigMap", "mcptasks-dashboard")["metadata"]
        assert (found["namespace"], found["labels"]["grafana_dashboard"]) == ("grafana", "1")
