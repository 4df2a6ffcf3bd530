"""What a build calls itself: by tags, by the changelog, in an archive, in an image's build."""

from __future__ import annotations

import pytest
from hatch_build import absolute_links, addresses, newest_release, of_archive, of_description, version_of

COMMIT = "8ca053a4c057a676ab1ae013f7922ecc9c74aa11"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [0.3.1] - 2026-11-28\n\n## [0.3.0] - 2026-11-01\n"


@pytest.mark.parametrize(
    ("description", "count", "changed", "version"),
    [
        ("v1.2.3", 0, False, "1.2.3"),
        ("v1.2.3", 0, True, "1.2.4.dev0+g8ca053a4c"),
        ("v1.2.3-7-g8ca053a", 0, False, "1.2.4.dev7+g8ca053a4c"),
        # A clone that is too shallow for tags, or a repository without any.
        ("", 1, False, "0.3.2.dev1+g8ca053a4c"),
        ("", 404, True, "0.3.2.dev404+g8ca053a4c"),
    ],
)
def test_the_version_is_that_of_the_tag_or_on_the_way_to_the_next(
    description: str, count: int, changed: bool, version: str
) -> None:
    assert version_of(of_description(description, COMMIT, count=count, changed=changed), CHANGELOG) == version


@pytest.mark.parametrize(
    ("note", "version"),
    [
        (f"node: {COMMIT}\ndescribe-name: v1.2.3\n", "1.2.3"),
        (f"node: {COMMIT}\ndescribe-name: v1.2.3-4-g8ca053a\n", "1.2.4.dev4+g8ca053a4c"),
        (f"node: {COMMIT}\ndescribe-name: \n", "0.3.2.dev0+g8ca053a4c"),
        # A copy of the files, in which git has put nothing.
        ("node: $Format:%H$\ndescribe-name: $Format:%(describe:tags=true,match=v[0-9]*)$\n", "0.3.2.dev0"),
    ],
)
def test_an_archive_without_git_knows_its_version(note: str, version: str) -> None:
    assert version_of(of_archive(note), CHANGELOG) == version


def test_a_changelog_without_a_release_is_before_the_first() -> None:
    assert newest_release("# Changelog\n\n## [Unreleased]\n") == "0.0.0"


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("[a](docs/tools.md#x)", "[a](https://forge.test/o/r/blob/v1.0.0/docs/tools.md#x)"),
        ("[`a`](examples)", "[`a`](https://forge.test/o/r/blob/v1.0.0/examples)"),
        ("![a](docs/a.svg)", "![a](https://forge.test/o/r/raw/v1.0.0/docs/a.svg)"),
        ("![a](https://else.test/a.svg)", "![a](https://else.test/a.svg)"),
        ("[a](#there)", "[a](#there)"),
        ("[a](https://else.test/b)", "[a](https://else.test/b)"),
    ],
)
def test_links_into_the_repository_become_addresses(link: str, shown: str) -> None:
    assert absolute_links(link, "https://forge.test/o/r", "v1.0.0") == shown


def test_all_addresses_are_of_the_repository_that_is_named() -> None:
    assert {url.startswith("https://forge.test/o/r") for url in addresses("https://forge.test/o/r").values()} == {True}
