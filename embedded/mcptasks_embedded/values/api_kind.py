"""What generic code has to know about a kind of object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcptasks_embedded.values.references import GroupResource, Ref

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A printer column of a CRD; `path` is its jsonPath, `type` one of integer, number, string, boolean, date."""

    name: str
    type: str
    path: str
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ApiKind:
    """One version of one resource."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    status: bool = False
    generation: bool = False
    subresources: tuple[str, ...] = ()
    custom: bool = False
    schema: Mapping[str, Any] | None = None
    columns: tuple[PrinterColumn, ...] = ()
    selectable: tuple[str, ...] = ()
    stored_as: GroupResource | None = None

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The name that error messages use: `jobs.batch`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def storage(self) -> GroupResource:
        return self.stored_as or GroupResource(self.group, self.plural)

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    def ref(self, namespace: str, name: str) -> Ref:
        return Ref(self.storage, namespace if self.namespaced else "", name)
