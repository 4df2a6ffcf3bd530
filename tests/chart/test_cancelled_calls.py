"""The server's replicas have a ConfigMap to tell each other of cancelled calls, of each release its own."""

from __future__ import annotations

import pytest

from tests.chart.helm import environment, render


@pytest.mark.parametrize("name", ["mcptasks", "other"])
def test_the_servers_know_the_one_that_they_may_write(name: str) -> None:
    rendered = render({"fullnameOverride": name})
    board = f"{name}-cancelled-calls"
    assert environment(rendered.find("Deployment", f"{name}-server"))["MCPTASKS_CANCELLED_CALLS"] == board
    assert "data" not in rendered.find("ConfigMap", board)
    rules = rendered.find("Role", f"{name}-server")["rules"]
    [rule] = [rule for rule in rules if "configmaps" in rule["resources"]]
    assert rule["resourceNames"] == [board]
    assert sorted(rule["verbs"]) == ["get", "list", "patch", "watch"]
