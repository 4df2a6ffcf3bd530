"""Alerts and dashboard ask for what server and operator tell, in the form that Prometheus and Grafana read."""

from __future__ import annotations

import json
import re
from itertools import combinations

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase, Reason
from mcptasks.protocol.request_observer import RequestOutcome
from tests.chart.helm import render
from tests.chart.promql import Query, known_series

SERIES = known_series()
VALUES = {"phase": frozenset(Phase), "reason": frozenset(Reason)}
GRID_WIDTH = 24
UNITS = frozenset(["short", "ops", "reqps", "s", "bytes"])


def dashboard() -> JsonObject:
    rendered = render({"metrics": {"dashboard": {"enabled": True}}})
    found: JsonObject = json.loads(rendered.find("ConfigMap", "mcptasks-dashboard")["data"]["mcptasks.json"])
    return found


def alerts() -> list[JsonObject]:
    rendered = render({"metrics": {"prometheusRule": {"enabled": True}}})
    found: list[JsonObject] = rendered.find("PrometheusRule", "mcptasks")["spec"]["groups"][0]["rules"]
    return found


PANELS: list[JsonObject] = dashboard()["panels"]
ALERTS = alerts()
TARGETS = [(panel, target) for panel in PANELS for target in panel["targets"]]


def faults(expression: str) -> list[str]:
    # Grafana's variables stand for a duration and for values of labels.
    plain = expression.replace("[$__rate_interval]", "[5m]").replace("$namespace", "x")
    return list(Query(plain).faults(SERIES, VALUES))


@pytest.mark.parametrize("target", [target for _, target in TARGETS], ids=lambda target: target["expr"])
def test_every_query_asks_for_what_is_told(target: JsonObject) -> None:
    assert faults(target["expr"]) == []
    assert 'namespace=~"$namespace"' in target["expr"]


@pytest.mark.parametrize("target", [target for _, target in TARGETS], ids=lambda target: target["expr"])
def test_every_legend_names_labels_that_are_left(target: JsonObject) -> None:
    query = Query(target["expr"])
    left = query.grouped_by or {label for name in query.names & SERIES.keys() for label in SERIES[name].labels}
    joined = {"pod", "component"} if "group_left" in target["expr"] else set()
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= set(left) | joined


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_asks_for_what_is_told(rule: JsonObject) -> None:
    assert faults(rule["expr"]) == []
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_tells_labels_that_it_has(rule: JsonObject) -> None:
    texts = rule["annotations"]["summary"] + rule["annotations"]["description"]
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= Query(rule["expr"]).grouped_by


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("mcptasks_task", "no series mcptasks_task"),
        ("rate(mcptasks_task_run_seconds[5m])", "no series mcptasks_task_run_seconds"),
        ("sum(rate(mcptasks_requests_bucket[5m]))", "no series mcptasks_requests_bucket"),
        ("summ(mcptasks_tasks)", "no series summ"),
        ('mcptasks_tasks{tool="a"}', "mcptasks_tasks has no label tool"),
        ('mcptasks_tasks{phase="done"}', "phase is never done"),
        ('mcptasks_tasks_ended_total{reason!~"ToolError|Broken"}', "reason is never Broken"),
        ("sum by (tool) (mcptasks_tasks)", "nothing has the label tool"),
        ("sum(rate(mcptasks_requests_total[5m])", "brackets do not match"),
    ],
)
def test_the_check_finds_what_is_not_there(expression: str, fault: str) -> None:
    assert faults(expression) == [fault]


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    board = dashboard()
    assert board["schemaVersion"] == 39
    assert (board["uid"], board["title"]) == ("mcptasks", "mcptasks")
    # An id of its own would be another dashboard's in somebody's Grafana.
    assert "id" not in board
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "namespace"]


def test_panels_have_ids_titles_and_queries_of_their_own() -> None:
    for key in ("id", "title"):
        found = [panel[key] for panel in PANELS]
        assert len(found) == len(set(found))
    for panel in PANELS:
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(letters) == len(set(letters))
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


def test_panels_have_places_of_their_own() -> None:
    def cells(panel: JsonObject) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        rows, columns = range(at["y"], at["y"] + at["h"]), range(at["x"], at["x"] + at["w"])
        return {(row, column) for row in rows for column in columns}

    assert all(max(column for _, column in cells(panel)) < GRID_WIDTH for panel in PANELS)
    assert not any(cells(one) & cells(other) for one, other in combinations(PANELS, 2))


def test_alerts_on_outcomes_know_those_that_there_are() -> None:
    known = {*RequestOutcome, "api_error", "fault"}
    expressions = [rule["expr"] for rule in ALERTS] + [target["expr"] for _, target in TARGETS]
    asked = {value for text in expressions for _, label, value in Query(text).matchers if label == "outcome"}
    assert asked
    assert asked <= known


@pytest.mark.parametrize("alert", ["McpTasksInfrastructureFailures", "McpTasksOutcomesBudget"])
def test_no_alert_of_the_infrastructure_is_for_what_tools_and_callers_do(alert: str) -> None:
    rule = next(rule for rule in ALERTS if rule["alert"] == alert)
    left_out = {
        one for _, label, value in Query(rule["expr"]).matchers if label == "reason" for one in value.split("|")
    }
    assert left_out == {
        Reason.TOOL_ERROR,
        Reason.REQUEST_ERROR,
        Reason.INVALID_ARGUMENTS,
        Reason.INPUT_TIMEOUT,
        Reason.DEADLINE_EXCEEDED,
        Reason.RESULT_TOO_LARGE,
        Reason.RESULT_NOT_SERIALIZABLE,
        Reason.RESULT_MISSING,
        Reason.EXIT_CODE,
    }
