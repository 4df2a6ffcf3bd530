"""Generated files are what the models say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcptasks.model.cel_rules import CEL_RULES
from mcptasks.model.crds import KINDS, as_yaml, custom_resource_definition
from mcptasks.model.task import Reason

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_crds_are_up_to_date(kind) -> None:  # type: ignore[no-untyped-def]
    generated = as_yaml(custom_resource_definition(kind))
    assert (ROOT / "crds" / f"{kind.plural}.yaml").read_text() == generated, "run `make generate`"


def test_every_rule_of_the_crds_has_its_meaning_in_python() -> None:
    def rules(schema: object) -> list[str]:
        if isinstance(schema, list):
            return [rule for item in schema for rule in rules(item)]
        if not isinstance(schema, dict):
            return []
        own = [rule["rule"] for rule in schema.get("x-kubernetes-validations", ())]
        return own + [rule for value in schema.values() for rule in rules(value)]

    found = {rule for kind in KINDS for rule in rules(custom_resource_definition(kind))}
    assert found == set(CEL_RULES)


def test_every_field_is_described() -> None:
    def undescribed(schema: dict[str, object], path: str) -> list[str]:
        missing = [] if schema.get("description") or not path else [path]
        properties = schema.get("properties") or {}
        assert isinstance(properties, dict)
        for name, child in properties.items():
            if path or name in ("spec", "status"):
                missing += undescribed(child, f"{path}.{name}")
        items = schema.get("items")
        if isinstance(items, dict) and "properties" in items:
            missing += undescribed({**items, "description": "-"}, f"{path}[]")
        return missing

    for kind in KINDS:
        crd = custom_resource_definition(kind)
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert undescribed(schema, "") == []


def test_the_operator_folder_does_not_hide_the_standard_library() -> None:
    import operator

    assert operator.itemgetter(0)([1]) == 1
    assert not str(operator.__file__).startswith(str(ROOT / "operator"))


def test_every_reason_is_documented() -> None:
    documented = set(re.findall(r"^\| `([A-Za-z]+)`", (ROOT / "docs" / "failures.md").read_text(), re.MULTILINE))
    assert documented == {reason.value for reason in Reason}


def test_the_reference_of_settings_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcptasks", "settings", "-o", "markdown"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs" / "settings.md").read_text() == done.stdout, "run `make generate`"


def test_the_reference_of_metrics_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcptasks", "metrics", "-o", "markdown"], capture_output=True, text=True, check=True
    )
    # Before it comes what nobody can generate.
    assert (ROOT / "docs" / "metrics.md").read_text().endswith(f"## Reference\n\n{done.stdout}"), "run `make generate`"
