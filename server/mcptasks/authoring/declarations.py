"""What a server declares: its tools, prompts and resources, how each runs as a task and where it was written."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from mcptasks.authoring.component_sources import ComponentSource
from mcptasks.model.task import ComponentKind
from mcptasks.model.task_config import DeclarationError, TaskConfig, TaskOption

if TYPE_CHECKING:
    from pydantic import BaseModel

LABELS = {
    ComponentKind.TOOL: "tool",
    ComponentKind.PROMPT: "prompt",
    ComponentKind.RESOURCE: "resource",
    ComponentKind.RESOURCE_TEMPLATE: "resource template",
}
"""What people call each kind of component."""

_THIS_PACKAGE = os.path.dirname(__file__)


@dataclass(frozen=True)
class Declared:
    """One component of a server, as its author declared it.

    Args:
        name: of a tool or prompt, URI of a resource, URI template of a resource template.
        source: what the author gave.
        config: how it runs as a task.
        option: `task=` for the servers that this one is mounted on; None leaves it to their defaults.
        place: file and line.
        is_async: whether the author's function is a coroutine function, or the SDK awaits the author's object.
        injected: parameters of the function that are dependencies.
        needs_context: whether its dependencies get the SDK's context.
        model: what callers may give to a prompt or resource template; None where only the SDK knows.
        home: the server that it was declared on first; another one than it is on where that one was mounted.
    """

    kind: ComponentKind
    name: str
    source: ComponentSource
    config: TaskConfig
    option: TaskOption
    place: str
    is_async: bool
    injected: frozenset[str]
    needs_context: bool
    model: type[BaseModel] | None
    home: object

    @property
    def label(self) -> str:
        """The component as errors name it."""
        return label_of(self.kind, self.name)


def label_of(kind: ComponentKind, name: str) -> str:
    """A component as errors name it."""
    return f"{LABELS[kind]} {name!r}"


@dataclass
class Declarations:
    """The components of one server; no two of a kind have the same name."""

    _declared: dict[tuple[ComponentKind, str], Declared] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Declared]:
        return iter(list(self._declared.values()))

    def get(self, kind: ComponentKind, name: str) -> Declared | None:
        """The component, if there is one."""
        return self._declared.get((kind, name))

    def refuse_second(self, kind: ComponentKind, name: str, place: str) -> None:
        """Raises DeclarationError where the name is taken."""
        first = self.get(kind, name)
        if first is not None:
            raise DeclarationError(
                f"{first.label} is declared twice: at {first.place} and at {place}. "
                "Rename one of them, or mount its server with a prefix."
            )

    def add(self, declared: Declared) -> None:
        """Add a component whose name is not taken."""
        self._declared[declared.kind, declared.name] = declared

    def remove(self, kind: ComponentKind, name: str) -> None:
        """Forget a component; harmless where there is none."""
        self._declared.pop((kind, name), None)


def place_of(fn: Callable[..., Any] | None = None) -> str:
    """File and line of the function, or of whoever called into this package where there is none."""
    code = getattr(inspect.unwrap(fn), "__code__", None) if fn is not None else None
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_THIS_PACKAGE):
        frame = frame.f_back
    return "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
