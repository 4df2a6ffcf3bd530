"""The chart and the notes of a release."""

from __future__ import annotations

import pytest
import yaml
from release.chart import CHART, semantic, with_image
from release.notes import NoNotesError, notes_of

CHANGELOG = """# Changelog

## [Unreleased]

### Added
- Not yet.

## [0.2.0] - 2026-12-24

### Fixed
- This.

## [0.1.0] - 2026-11-28
"""
DIGEST = f"sha256:{64 * '1'}"


def test_the_notes_are_the_section_of_the_version() -> None:
    assert notes_of("0.2.0", CHANGELOG) == "### Fixed\n- This."


@pytest.mark.parametrize("version", ["0.3.0", "0.1.0", "0x2.0", "Unreleased"])
def test_a_version_without_notes_is_not_released(version: str) -> None:
    with pytest.raises(NoNotesError, match="no section"):
        notes_of(version, CHANGELOG)


@pytest.mark.parametrize(
    ("python", "helm"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2.4.dev0", "1.2.4-dev.0"),
        ("1.2.4.dev7+g8ca053a4c", "1.2.4-dev.7+g8ca053a4c"),
    ],
)
def test_the_charts_version_is_one_that_helm_takes(python: str, helm: str) -> None:
    assert semantic(python) == helm


def test_a_version_that_is_neither_is_an_error() -> None:
    with pytest.raises(ValueError, match="neither a release nor a development version"):
        semantic("1.2")


def test_the_packaged_chart_names_the_image_by_its_digest_and_changes_nothing_else() -> None:
    before = (CHART / "values.yaml").read_text()
    after = with_image(before, "registry.test/owner/mcptasks", DIGEST)
    image = yaml.safe_load(before)["image"]
    image |= {"registry": "registry.test", "repository": "owner/mcptasks", "digest": DIGEST}
    assert yaml.safe_load(after) == {**yaml.safe_load(before), "image": image}
    changed = [line for line, old in zip(after.splitlines(), before.splitlines(), strict=True) if line != old]
    assert len(changed) == 3
