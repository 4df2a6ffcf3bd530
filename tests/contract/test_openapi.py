"""What the API says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.client import Api
from tests.contract.conftest import Widgets
from tests.support.polling import eventually

JSON = "application/json"
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
OLD_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
GVK = "x-kubernetes-group-version-kind"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (f"{JSON},{PROTOBUF}", JSON),
        (PROTOBUF, PROTOBUF),
        (OLD_PROTOBUF, PROTOBUF),
        (f"{OLD_PROTOBUF}, {JSON}", PROTOBUF),
    ],
)
def test_forms_of_the_document(api: Api, accept: str | None, media: str) -> None:
    response = api.http.get("/openapi/v2", headers={"Accept": accept} if accept else {})
    found = response.headers["content-type"]
    assert (response.status_code, found.replace("v2@v1.0", "v2.v1.0")) == (200, media)


def definition(api: Api, group: str, kind: str) -> dict[str, Any] | None:
    definitions = api.get("/openapi/v2").ok()["definitions"]
    wanted = {"group": group, "version": "v1" if group in ("", "batch") else "v1alpha1", "kind": kind}
    return next((schema for schema in definitions.values() if wanted in schema.get(GVK, ())), None)


@pytest.mark.parametrize(("group", "kind"), [("", "ConfigMap"), ("", "Pod"), ("batch", "Job")])
def test_built_in_kinds(api: Api, group: str, kind: str) -> None:
    found = definition(api, group, kind)
    assert found is not None
    assert {"apiVersion", "kind", "metadata"} < set(found["properties"])


def test_custom_resources(api: Api, widgets: Widgets) -> None:
    found = eventually("the definition is described", lambda: definition(api, widgets.group, "Widget"))
    assert found["required"] == ["spec"]
    spec = found["properties"]["spec"]
    assert spec["required"] == ["size"]
    size = spec["properties"]["size"]
    assert (size["type"], size["minimum"], size["maximum"], size["description"]) == ("integer", 1, 1000, "How big.")
    assert spec["properties"]["tags"]["items"]["type"] == "string"
    assert spec["properties"]["labels"]["additionalProperties"]["type"] == "string"
    assert "type" not in spec["properties"]["maybe"]
    assert "default" not in spec["properties"]["color"]
    assert found["properties"]["metadata"]["$ref"].startswith("#/definitions/")


def test_references_are_defined(api: Api) -> None:
    definitions = api.get("/openapi/v2").ok()["definitions"]

    def references(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(references, value))
        if not isinstance(value, dict):
            return set()
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))

    assert {name.removeprefix("#/definitions/") for name in references(definitions)} <= set(definitions)
