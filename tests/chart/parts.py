"""What the chart renders for each part of the product."""

from __future__ import annotations

from mcptasks.model.base import JsonObject
from tests.chart.helm import Rendered


def server(rendered: Rendered) -> JsonObject:
    return rendered.find("Deployment", "mcptasks-server")


def operator(rendered: Rendered) -> JsonObject:
    return rendered.find("Deployment", "mcptasks-operator")


def template(rendered: Rendered, name: str = "default") -> JsonObject:
    spec: JsonObject = rendered.find("McpTaskTemplate", name)["spec"]
    return spec


def runner(rendered: Rendered, name: str = "default") -> JsonObject:
    first: JsonObject = template(rendered, name)["podTemplate"]["spec"]["containers"][0]
    return first
