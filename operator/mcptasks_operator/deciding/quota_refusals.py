"""What a ResourceQuota says when it refuses a Pod, and whether waiting can help.

The texts are those of the API server's admission of quotas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.task import Reason

_UNSET = re.compile(r"failed quota: .*?must specify (?P<what>.+)", re.DOTALL)
_EXCEEDED = re.compile(
    r"exceeded quota: .*?requested: (?P<requested>\S+), used: (?P<used>\S+), limited: (?P<limited>\S+)"
)
_UNITS = {"": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}
_UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate(["k", "M", "G", "T", "P", "E"], 1)}
_UNITS |= {unit: Decimal(1024) ** power for power, unit in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"], 1)}
_QUANTITY = re.compile(r"(?P<number>[-+0-9.]+(?:[eE][-+]?[0-9]+)?)(?P<unit>[A-Za-z]*)")


def quota_refusal(detail: str) -> Diagnosis | None:
    """The diagnosis of a refusal by a ResourceQuota; None for any other refusal."""
    if unset := _UNSET.search(detail):
        return Diagnosis(
            Reason.QUOTA_EXCEEDED,
            f"a ResourceQuota of the namespace counts what the template does not set: {detail}",
            f"Set {unset['what'].strip()} in the resources of the template's containers, "
            "or a default for it in a LimitRange of the namespace",
            permanent=True,
        )
    if "exceeded quota" not in detail and "must specify" not in detail:
        return None
    cause = f"the namespace's quota does not allow it: {detail}"
    if beyond := list(_beyond(detail)):
        hint = f"Ask for less in the template ({', '.join(beyond)}), or raise the ResourceQuota"
        return Diagnosis(Reason.QUOTA_EXCEEDED, cause, hint, permanent=True)
    return Diagnosis(Reason.QUOTA_EXCEEDED, cause, "Wait for other tasks to end, or raise the ResourceQuota")


def _beyond(detail: str) -> Iterator[str]:
    """What one Pod asks for beyond all that the quota has. One of nothing is a pause, which somebody will end."""
    found = _EXCEEDED.search(detail)
    if found is None:
        return
    limits = _amounts(found["limited"])
    for name, wanted in _amounts(found["requested"]).items():
        have, asked = _number(limits.get(name, "")), _number(wanted)
        if have is not None and asked is not None and 0 < have < asked:
            yield f"{name} of {limits[name]} at most"


def _amounts(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _number(quantity: str) -> Decimal | None:
    match = _QUANTITY.fullmatch(quantity)
    if match is None or match["unit"] not in _UNITS:
        return None
    try:
        return Decimal(match["number"]) * _UNITS[match["unit"]]
    except InvalidOperation:
        return None
