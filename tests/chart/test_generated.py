"""What the chart has from elsewhere is up to date, and every value is documented and checked."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from tests.chart.helm import CHART, ROOT, render

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())

FREE_FORM = {"kubernetesObject", "kubernetesList", "namedList", "stringMap"}
"""What the Kubernetes API checks itself."""


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_chart", ROOT / "charts" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


GENERATED: dict[Path, str] = generator().generated()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_files_are_up_to_date(path: Path) -> None:
    assert path.read_text() == GENERATED[path], "run `python charts/generate.py`"


def test_the_chart_installs_the_crds_as_they_are() -> None:
    installed = {item["metadata"]["name"]: item["spec"] for item in render().all("CustomResourceDefinition")}
    wanted = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    assert installed == {item["metadata"]["name"]: item["spec"] for item in wanted}


def test_every_value_is_documented() -> None:
    documented = {value.path for value in generator().documented_values((CHART / "values.yaml").read_text())}

    def undocumented(values: Any, path: tuple[str, ...]) -> list[str]:
        if path in documented:
            return []
        if not isinstance(values, dict):
            return [".".join(path)]
        return [name for key, value in values.items() for name in undocumented(value, (*path, key))]

    assert undocumented(VALUES, ()) == []


def resolved(schema: JsonObject) -> JsonObject:
    return SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def test_the_schema_knows_every_value_and_no_other() -> None:
    def differences(schema: JsonObject, values: Any, path: str) -> list[str]:
        if schema.get("$ref", "").rsplit("/", 1)[-1] in FREE_FORM:
            return []
        schema = resolved(schema)
        if not isinstance(values, dict) or not values or "properties" not in schema:
            return []
        known = set(schema["properties"])
        missing = [f"{path}.{key}: not in the schema" for key in values if key not in known]
        inner = [
            one
            for key, value in values.items()
            if key in known
            for one in differences(schema["properties"][key], value, f"{path}.{key}")
        ]
        return missing + inner

    assert differences(SCHEMA, VALUES, "values") == []
    for part in (
        "server",
        "operator",
        "ingress",
        "httpRoute",
        "networkPolicy",
        "tests",
        "redis",
        "rbac",
        "crds",
        "metrics",
    ):
        assert set(SCHEMA["properties"][part]["properties"]) == set(VALUES[part])
    assert set(SCHEMA["properties"]) == set(VALUES)
    assert set(SCHEMA["$defs"]["taskTemplate"]["properties"]) == set(VALUES["taskTemplates"]["default"])


def test_no_part_of_the_schema_accepts_unknown_keys() -> None:
    def open_ones(schema: Any, path: str) -> list[str]:
        if isinstance(schema, list):
            return [one for item in schema for one in open_ones(item, path)]
        if not isinstance(schema, dict):
            return []
        found = [path] if "properties" in schema and schema.get("type") and _is_open(schema) else []
        return found + [one for key, value in schema.items() for one in open_ones(value, f"{path}.{key}")]

    def _is_open(schema: JsonObject) -> bool:
        return schema.get("additionalProperties", True) is True

    # `global` belongs to all charts under a parent.
    assert open_ones(SCHEMA, "schema") == ["schema.properties.global", "schema.$defs.namedList.items"]


OPTIONAL = {
    "allowedOrigins": ["*"],
    "requestState": {"existingSecret": "s"},
    "auth": {
        "issuer": "https://issuer.example",
        "audience": ["tools"],
        "jwksUrl": "https://issuer.example/keys",
        "requiredScopes": ["tasks"],
        "resourceUrl": "https://tools.example/mcp",
        "tokens": {"existingSecret": "s"},
    },
}
"""Values of the server without which it has no such variables."""


DASHBOARD = {
    "enabled": True,
    "auth": "proxy",
    "proxy": {"trusted": ["10.0.0.1"]},
    "key": {"existingSecret": "s"},
    "serverToken": {"existingSecret": "s"},
}
"""Values of the dashboard with which it has all of its variables."""


def test_every_setting_has_a_value_or_is_free_and_the_chart_sets_none_that_the_program_does_not_know() -> None:
    chart = generator()
    every = {name.upper() for name in Settings.model_fields}
    free = set(SCHEMA["properties"]["settings"]["properties"])
    set_by_chart = {
        entry["name"].removeprefix("MCPTASKS_")
        for values in ({}, {"server": OPTIONAL, "externalRedis": {"existingSecret": "s"}, "dashboard": DASHBOARD})
        for pod in render(values).pods()
        for entry in pod["containers"][0]["env"]
        if entry["name"].startswith("MCPTASKS_")
    }
    assert set_by_chart == {name.upper() for name in chart.WITH_A_VALUE}
    assert every == free | set_by_chart | {name.upper() for name in chart.NOT_IN_A_CLUSTER}
    assert not free & set_by_chart


@pytest.mark.parametrize("name", SCHEMA["properties"]["settings"]["properties"])
def test_free_settings_have_the_types_of_the_program(name: str) -> None:
    default = Settings.model_fields[name.lower()].get_default(call_default_factory=True)
    if isinstance(default, list):
        default = " ".join(default)
    jsonschema.validate(default, SCHEMA["properties"]["settings"]["properties"][name])
