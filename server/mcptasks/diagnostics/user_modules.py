"""Modules of users that go by a name of ours, because their own is another module's."""

from __future__ import annotations


def author_name(module: str) -> str:
    """The module's name without what is ours of it: of a file that is named by its path, that path."""
    _, of_file, path = module.partition("./")
    return f"/{path}" if of_file else module


def shown_name(module: str) -> str:
    """The module's name for people: of a file that is named by its path, that of the file."""
    return author_name(module).rpartition("/")[2]
