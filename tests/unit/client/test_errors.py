"""The client's exceptions: all in one tree, and the tree that is drawn is the real one."""

from __future__ import annotations

import re

import mcptasks.client
from mcptasks.client import ClientError, client_errors

DRAWN = re.compile(r"^([│├└─ ]*)(\w+Error)\b", re.M)


def drawn() -> dict[str, str]:
    """Each exception in the drawing, with its parent's name."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for prefix, name in DRAWN.findall(client_errors.__doc__ or ""):
        path = path[: len(prefix) // 4]
        if path:
            parents[name] = path[-1]
        path.append(name)
    return parents


def real() -> dict[str, str]:
    found: dict[str, str] = {}
    open_classes: list[type[ClientError]] = [ClientError]
    while open_classes:
        parent = open_classes.pop()
        for child in parent.__subclasses__():
            if child.__module__.startswith("mcptasks.client") and not child.__name__.startswith("_"):
                found[child.__name__] = parent.__name__
                open_classes.append(child)
    return found


def test_the_tree_at_the_top_of_the_module_is_the_real_one() -> None:
    assert drawn() == real()


def test_every_exception_that_a_caller_can_get_is_imported_from_the_package() -> None:
    assert real().keys() - {"NotSentError"} <= set(mcptasks.client.__all__)
