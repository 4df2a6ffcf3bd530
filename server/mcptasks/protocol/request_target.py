"""The component that a request is for, which is looked up once and carried along with the request."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from mcp.server.context import ServerRequestContext

from mcptasks.model.task import ComponentKind
from mcptasks.protocol.catalogue import Catalogue, Target
from mcptasks.protocol.component_methods import requested

Sought: TypeAlias = tuple[ComponentKind, str]
"""Kind, and name or URI, of the component that a request names."""


@dataclass(kw_only=True)
class TargetedContext(ServerRequestContext[Any, Any]):
    """The SDK's context of a request, with the component that was found for it.

    Args:
        sought: what the request named.
        catalogue: where it was looked up.
        target: what was found; None where there is no such component.
    """

    sought: Sought
    catalogue: Catalogue
    target: Target | None


def with_target(ctx: ServerRequestContext[Any, Any], catalogue: Catalogue) -> ServerRequestContext[Any, Any]:
    """The request with the component that it names; the request as it is where it names none."""
    sought = requested(ctx.method, ctx.params)
    return ctx if sought is None else carrying(ctx, sought, catalogue, catalogue.find(*sought))


def carrying(
    ctx: ServerRequestContext[Any, Any], sought: Sought, catalogue: Catalogue, target: Target | None
) -> TargetedContext:
    """The request with a component that has been looked up for it."""
    given = {field.name: getattr(ctx, field.name) for field in fields(ServerRequestContext)}
    return TargetedContext(**given, sought=sought, catalogue=catalogue, target=target)


def target_of(sought: Sought | None, ctx: ServerRequestContext[Any, Any] | None, catalogue: Catalogue) -> Target | None:
    """The component that is sought while the request is served; None where there is none.

    Usually the request carries it. It is looked up where a middleware has rewritten the request, or where a component
    calls another component within its own request.
    """
    if sought is None:
        return None
    if isinstance(ctx, TargetedContext) and ctx.sought == sought and ctx.catalogue is catalogue:
        return ctx.target
    return catalogue.find(*sought)
