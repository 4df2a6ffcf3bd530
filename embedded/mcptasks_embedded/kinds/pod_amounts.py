"""What a Pod requests and is limited to. Pure functions."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.quantity import parse_quantity

Part = Literal["requests", "limits"]


def amounts_of(spec: Json, part: Part) -> dict[str, Decimal]:
    """The sum of the containers' requests or limits, or an init container's where that is larger."""
    total: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        for name, amount in _amounts(container, part).items():
            total[name] = total.get(name, Decimal(0)) + amount
    for container in spec.get("initContainers") or ():
        for name, amount in _amounts(container, part).items():
            total[name] = max(total.get(name, Decimal(0)), amount)
    return total


def _amounts(container: Json, part: Part) -> dict[str, Decimal]:
    asked = (container.get("resources") or {}).get(part) or {}
    return {name: parse_quantity(amount) for name, amount in asked.items()}
