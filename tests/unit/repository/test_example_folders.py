"""An example that is a folder has all that a team would take, and its parts fit each other."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.examples.packages import EXAMPLES, NAMES
from tests.unit.repository.sources import ROOT
from tests.unit.website.page_blocks import faults_of_yaml

PARTS = {"Dockerfile", "README.md", "server.py", "values.yaml"}


def named_by_the_server(name: str) -> set[str]:
    """Templates that the tools of an example name."""
    return set(re.findall(r'\btemplate="(\w+)"', (EXAMPLES / name / "server.py").read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_it_has_all_parts_a_test_and_a_row_in_the_gallery(name: str) -> None:
    assert {path.name for path in (EXAMPLES / name).iterdir()} >= PARTS
    assert (ROOT / "tests" / "examples" / f"test_{name}.py").exists()
    assert f"({name}/README.md)" in (EXAMPLES / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_templates_of_its_tools_are_in_its_values(name: str) -> None:
    values = yaml.safe_load((EXAMPLES / name / "values.yaml").read_text())
    assert named_by_the_server(name) == set(values["taskTemplates"])


@pytest.mark.parametrize("name", NAMES)
def test_its_values_fit_their_schema(name: str) -> None:
    assert faults_of_yaml((EXAMPLES / name / "values.yaml").read_text()) == []


@pytest.mark.parametrize("name", NAMES)
def test_its_page_pushes_all_images_that_its_values_name(name: str) -> None:
    values = yaml.safe_load((EXAMPLES / name / "values.yaml").read_text())
    both = [values["image"], values["server"]["image"]]
    images = [f"{image['repository']}:{image['tag']}" for image in both]
    images += [template["image"] for template in values["taskTemplates"].values() if "image" in template]
    pushed = re.findall(r"^docker push (\S+)", (EXAMPLES / name / "README.md").read_text(), re.MULTILINE)
    assert set(pushed) == set(images)


@pytest.mark.parametrize("name", NAMES)
def test_its_image_ends_as_the_unprivileged_user(name: str) -> None:
    users = re.findall(r"^USER (\S+)", (EXAMPLES / name / "Dockerfile").read_text(), re.MULTILINE)
    assert not users or users[-1] == "65532:65532"
