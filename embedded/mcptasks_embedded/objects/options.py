"""Options of requests, and the body of a PATCH."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(slots=True)
class WriteOptions:
    """Options of a create, update or patch. `warnings` collects what goes into `Warning` headers."""

    dry_run: bool = False
    field_validation: str = "Ignore"
    field_manager: str = ""
    force: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class DeleteOptions:
    """`metav1.DeleteOptions`. `grace` is in seconds."""

    propagation: Propagation | None = None
    grace: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Patch:
    """A PATCH body; `type` is merge, json, strategic or apply."""

    type: str
    body: Any


@dataclass(frozen=True, slots=True)
class PodLogOptions:
    """The query of `pods/log`. `since` is a Unix time."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    limit: int | None = None
    since: float | None = None
