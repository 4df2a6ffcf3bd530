"""The changelog has versions, and this one is among them."""

from __future__ import annotations

import re

import yaml

from tests.unit.repository.sources import ROOT

SECTION = re.compile(r"^## \[([^]]+)\](?: - (\d{4}-\d\d-\d\d))?$", re.MULTILINE)


def sections() -> list[tuple[str, str]]:
    """Versions and their dates, as the headings say them."""
    return SECTION.findall((ROOT / "CHANGELOG.md").read_text())


def test_the_version_of_the_chart_has_a_section() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "mcptasks" / "Chart.yaml").read_text())
    assert {chart["version"], chart["appVersion"]} <= {version for version, _ in sections()}


def test_what_is_not_released_comes_first_and_each_release_has_its_date_newest_first() -> None:
    (first, no_date), *released = sections()
    assert (first, no_date) == ("Unreleased", "")
    dates = [date for _, date in released]
    assert all(dates)
    assert dates == sorted(dates, reverse=True)


def test_a_kind_of_change_has_one_list_in_each_version() -> None:
    for section in re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (\w+)$", section, re.MULTILINE)
        assert len(kinds) == len(set(kinds)), section.splitlines()[0]
