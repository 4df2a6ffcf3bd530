"""ResourceQuota: object counts (`pods`, `count/<resource>`), and the requests and limits of Pods that have not ended.

Scopes and storage classes are not supported.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mcptasks_embedded.kinds.pod_amounts import Part, amounts_of
from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.values import errors
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.quantity import format_quantity, parse_quantity
from mcptasks_embedded.values.references import PODS, QUOTAS, GroupResource

Amounts = dict[str, Decimal]


_PLAIN_REQUESTS = frozenset({"cpu", "memory", "ephemeral-storage"})
_BYTES = frozenset({"memory", "ephemeral-storage"})
_MUST_SPECIFY = frozenset({"cpu", "memory"})


def _counted(name: str) -> GroupResource | None:
    """The resource whose objects an entry of `spec.hard` counts; None for an entry that does not count objects."""
    if name == "pods":
        return PODS
    if not name.startswith("count/"):
        return None
    plural, _, group = name.removeprefix("count/").partition(".")
    return GroupResource(group, plural)


def _amount_name(name: str) -> tuple[Part, str] | None:
    """Which amounts of Pods an entry of `spec.hard` sums up: requests or limits, and of which resource."""
    if name in _PLAIN_REQUESTS:
        return "requests", name
    part, _, resource = name.partition(".")
    if resource and part == "requests":
        return "requests", resource
    return ("limits", resource) if resource and part == "limits" else None


def _asked(resource: GroupResource, obj: Json, hard: Iterable[str]) -> Amounts:
    """What an object takes from the entries of `spec.hard`; entries that do not concern it are left out."""
    asked = {name: Decimal(1) for name in hard if _counted(name) == resource}
    if resource == PODS:
        for name in hard:
            if (wanted := _amount_name(name)) and (amount := amounts_of(obj["spec"], wanted[0]).get(wanted[1])):
                asked[name] = amount
    return asked


def used(store: ObjectStore, namespace: str, hard: Iterable[str]) -> Amounts:
    """What the namespace's objects take from the entries of `spec.hard`."""
    total = dict.fromkeys(hard, Decimal(0))
    for resource in {resource for name in total if (resource := _counted(name))} | {PODS}:
        for entry in store.entries(resource, namespace):
            for name, amount in _asked(resource, entry.obj, total).items():
                total[name] += amount if name.startswith("count/") or _holds(resource, entry.obj) else 0
    return total


def _holds(resource: GroupResource, obj: Json) -> bool:
    return resource != PODS or (obj.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def amount_text(name: str, amount: Decimal) -> str:
    wanted = _amount_name(name)
    return format_quantity(amount, binary=wanted is not None and wanted[1] in _BYTES)


def _listed(amounts: Amounts) -> str:
    return ",".join(f"{name}={amount_text(name, amount)}" for name, amount in sorted(amounts.items()))


class Quota:
    """Refuses an object that would exceed a quota of its namespace."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __call__(self, kind: ApiKind, namespace: str, obj: Json) -> None:
        if not kind.namespaced:
            return
        for quota in self._store.entries(QUOTAS, namespace):
            hard = {n: parse_quantity(a) for n, a in ((quota.obj.get("spec") or {}).get("hard") or {}).items()}
            if why := _unspecified(kind.storage, obj, hard) or self._exceeded(kind.storage, obj, namespace, hard):
                verb, detail = why
                raise errors.forbidden(kind, obj["metadata"]["name"], f"{verb} quota: {quota.ref.name}{detail}")

    def _exceeded(self, resource: GroupResource, obj: Json, namespace: str, hard: Amounts) -> tuple[str, str] | None:
        asked = _asked(resource, obj, hard)
        present = used(self._store, namespace, asked) if asked else {}
        over = [name for name, amount in asked.items() if present[name] + amount > hard[name]]
        if not over:
            return None
        requested, taken, limited = (_listed({n: amounts[n] for n in over}) for amounts in (asked, present, hard))
        return "exceeded", f", requested: {requested}, used: {taken}, limited: {limited}"


def _unspecified(resource: GroupResource, obj: Json, hard: Iterable[str]) -> tuple[str, str] | None:
    """Where a quota limits CPU or memory, each container must say how much of it."""
    if resource != PODS:
        return None
    missing: list[str] = []
    for name in sorted(hard):
        wanted = _amount_name(name)
        if wanted is not None and wanted[1] in _MUST_SPECIFY:
            part, what = wanted
            silent = [c["name"] for c in _containers(obj) if what not in ((c.get("resources") or {}).get(part) or {})]
            missing += [f"{name} for: {','.join(sorted(silent))}"] if silent else []
    return ("failed", f": must specify {'; '.join(missing)}") if missing else None


def _containers(pod: Json) -> list[Json]:
    return [*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())]
