"""Modules of users that go by a name of ours, because their own is another module's."""

from __future__ import annotations

USER_FILES = "mcptasks.authoring.user_files"
"""The module below which such files are."""


def author_name(module: str) -> str:
    """The module's name without what is ours of it: of a file, its path as the name has it."""
    return module.removeprefix(f"{USER_FILES}.")
