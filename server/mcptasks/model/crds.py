"""Custom resource definitions made from the models McpTask and McpTaskTemplate.

`mcptasks crds` prints them, `crds/` keeps them, the chart installs them and the embedded cluster serves them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel

from mcptasks.model.base import GROUP, VERSION, JsonObject
from mcptasks.model.cel_rules import SPEC_RULES, TASK_RULES, TEMPLATE_RULES, Rule
from mcptasks.model.crd_schema import structural_schema
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import McpTaskTemplate


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`. Priority 1 columns show with `-o wide` only."""

    name: str
    json_path: str
    type: str = "string"
    priority: int = 0
    description: str = ""

    def manifest(self) -> JsonObject:
        column: JsonObject = {"name": self.name, "type": self.type, "jsonPath": self.json_path}
        if self.description:
            column["description"] = self.description
        if self.priority:
            column["priority"] = self.priority
        return column


@dataclass(frozen=True)
class Kind:
    """What a CRD says besides the schema of its model."""

    model: type[BaseModel]
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    spec_rules: tuple[Rule, ...] = ()

    @property
    def kind(self) -> str:
        return self.model.__name__

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{GROUP}"


AGE = Column("Age", ".metadata.creationTimestamp", "date")

KINDS = (
    Kind(
        model=McpTask,
        plural="mcptasks",
        short_name="mct",
        columns=(
            Column("Component", ".spec.component.name"),
            Column("Phase", ".status.phase"),
            Column("Progress", ".status.progress.display"),
            Column("Reason", ".status.reason"),
            AGE,
            Column("Server", ".spec.server", priority=1),
            Column("Job", ".status.jobName", priority=1),
            Column("Principal", ".spec.principal.subject", priority=1),
            Column("Attempts", ".status.attempts", "integer", priority=1),
            Column("CPU", ".status.usage.cpuSeconds", "number", priority=1, description="Seconds of CPU."),
            Column(
                "Memory",
                ".status.usage.peakMemoryBytes",
                "integer",
                priority=1,
                description="Bytes of the largest process at its largest.",
            ),
            Column("Message", ".status.message", priority=1),
        ),
        selectable=(".spec.component.name", ".spec.component.kind", ".spec.server", ".status.phase"),
        rules=TASK_RULES,
        spec_rules=SPEC_RULES,
    ),
    Kind(
        model=McpTaskTemplate,
        plural="mcptasktemplates",
        short_name="mctt",
        columns=(
            Column("Executor", ".spec.executor"),
            Column("Ready", ".status.readyWorkers", "integer"),
            Column("Busy", ".status.busyWorkers", "integer"),
            Column("Wanted", ".status.wantedWorkers", "integer"),
            AGE,
            Column("Waiting", ".status.waitingTasks", "integer", priority=1),
            Column("Workers", '.status.conditions[?(@.type=="WorkersAvailable")].reason', priority=1),
            Column("Image", ".spec.podTemplate.spec.containers[0].image", priority=1),
            Column("Timeout", ".spec.timeoutSeconds", "integer", priority=1),
            Column("Queue", ".spec.queueName", priority=1),
        ),
        spec_rules=TEMPLATE_RULES,
    ),
)


def custom_resource_definitions() -> list[JsonObject]:
    """The CRDs of all kinds, ready for the API server."""
    return [custom_resource_definition(kind) for kind in KINDS]


def custom_resource_definition(kind: Kind) -> JsonObject:
    """The CRD of one kind: structural schema, CEL rules, printer columns, selectable fields."""
    version: JsonObject = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root_schema(kind)},
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
        "subresources": {"status": {}},
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short_name],
                "categories": ["mcp"],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def as_yaml(crd: JsonObject) -> str:
    """The CRD as it is kept under `crds/`."""
    header = "# Generated from mcptasks.model by `make generate`; change the models instead.\n"
    return header + yaml.safe_dump(crd, sort_keys=False, width=120)


def _root_schema(kind: Kind) -> JsonObject:
    schema = structural_schema(kind.model)
    properties = schema["properties"]
    # The API server owns the schema of these three and refuses anything more than their type.
    properties.update({"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}})
    schema["required"] = ["spec"]
    _add_rules(schema, kind.rules)
    _add_rules(properties["spec"], kind.spec_rules)
    for part in ("spec", "status"):
        properties.get(part, {}).pop("default", None)
    return schema


def _add_rules(schema: JsonObject, rules: Sequence[Rule]) -> None:
    if rules:
        schema["x-kubernetes-validations"] = [{"rule": rule.cel, "message": rule.message} for rule in rules]


def write(directory: Path) -> list[str]:
    """Write one YAML file per kind into the directory; returns the file names."""
    names = []
    for kind in KINDS:
        name = f"{kind.plural}.yaml"
        (directory / name).write_text(as_yaml(custom_resource_definition(kind)))
        names.append(name)
    return names
