"""Where the components of the chart send their spans."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from tests.chart.helm import refusal, render

COLLECTOR = "http://collector.tracing:4318"
THERE = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracing"}}}]


def variables(container: JsonObject) -> dict[str, object]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"] if "OTEL" in one["name"]}


def containers(values: JsonObject) -> dict[str, JsonObject]:
    """The containers of server, operator and the tasks of the templates `default` and `warm`."""
    chart = render(values)
    found = {
        name: chart.find("Deployment", f"mcptasks-{name}")["spec"]["template"]["spec"]
        for name in ("server", "operator")
    }
    for name in ("default", "warm"):
        found[name] = chart.find("McpTaskTemplate", name)["spec"]["podTemplate"]["spec"]
    return {name: spec["containers"][0] for name, spec in found.items()}


def egress(values: JsonObject, name: str) -> list[JsonObject]:
    rules: list[JsonObject] = render(values).find("NetworkPolicy", f"mcptasks-{name}")["spec"].get("egress", [])
    return rules


def test_without_a_collector_nothing_is_sent() -> None:
    assert [variables(container) for container in containers({}).values()] == [{}, {}, {}, {}]


def test_all_send_to_the_collector() -> None:
    found = containers({"tracing": {"endpoint": COLLECTOR}})
    assert [variables(container) for container in found.values()] == [{"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}] * 4


def test_task_pods_can_be_left_out() -> None:
    found = containers({"tracing": {"endpoint": COLLECTOR, "tasks": False, "to": THERE}})
    assert variables(found["server"])
    assert not variables(found["default"])
    values = {"tracing": {"endpoint": COLLECTOR, "tasks": False, "to": THERE}}
    assert len(egress(values, "tasks")) == 2


def test_sampler_and_headers_reach_the_components() -> None:
    headers = {"existingSecret": "collector", "existingSecretKey": "key"}
    tracing = {"endpoint": COLLECTOR, "sampler": "parentbased_traceidratio", "samplerArgument": "0.1"}
    assert variables(containers({"tracing": {**tracing, "headers": headers}})["operator"]) == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        "OTEL_EXPORTER_OTLP_HEADERS": {"secretKeyRef": {"name": "collector", "key": "key"}},
    }


def test_a_template_s_own_variable_wins() -> None:
    own = {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://other:4318"}
    values = {"tracing": {"endpoint": COLLECTOR}, "taskTemplates": {"default": {"env": [own]}}}
    assert variables(containers(values)["default"]) == {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://other:4318"}


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [(COLLECTOR, 4318), ("https://collector.example.com", 443), ("http://collector/otlp", 80), ("http://[::1]:55", 55)],
)
def test_task_pods_reach_the_collector_and_no_more(endpoint: str, port: int) -> None:
    *_, rule = egress({"tracing": {"endpoint": endpoint, "to": THERE}}, "tasks")
    assert rule == {"to": THERE, "ports": [{"port": port, "protocol": "TCP"}]}
    assert len(egress({"tracing": {"endpoint": endpoint}}, "tasks")) == 2


@pytest.mark.parametrize("name", ["server", "operator"])
def test_components_with_egress_rules_reach_it_too(name: str) -> None:
    own = {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}
    tracing = {"endpoint": COLLECTOR, "to": THERE}
    assert egress({"tracing": tracing}, name) == []
    rules = egress({"tracing": tracing, "networkPolicy": {name: {"egress": [own]}}}, name)
    assert rules == [own, {"to": THERE, "ports": [{"port": 4318, "protocol": "TCP"}]}]


@pytest.mark.parametrize(
    "wrong", [{"endpoint": "collector:4318"}, {"endpoint": "grpc://collector:4317"}, {"sampler": "some"}, {"url": "x"}]
)
def test_what_no_component_would_understand_is_refused(wrong: JsonObject) -> None:
    assert "tracing" in refusal({"tracing": wrong})
