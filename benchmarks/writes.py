"""Who wrote what, from the API server's audit log (one JSON object a line, level Metadata is enough)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete"})
COMPONENTS = ("server", "operator")


@dataclass(frozen=True)
class AuditLog:
    """An audit log that grows while the benchmark runs."""

    path: Path

    def position(self) -> int:
        """Where the log ends at this moment."""
        return self.path.stat().st_size

    def requests(self, since: int, namespace: str) -> dict[str, Counter[str]]:
        """What server and operator have asked for since: `verb resource` (with `refused` where it was), by component.

        Leases are left out: they cost the same whatever there is to do.
        """
        found: dict[str, Counter[str]] = {component: Counter() for component in COMPONENTS}
        with self.path.open("rb") as log:
            log.seek(since)
            for line in log:
                entry = _entry(line)
                component = _component(entry, namespace)
                resource = (entry.get("objectRef") or {}).get("resource")
                if component is not None and resource != "leases":
                    found[component][_name(entry)] += 1
        return found


def per_task(found: dict[str, Counter[str]], tasks: int) -> dict[str, dict[str, float]]:
    """Requests per task, writes before reads."""
    return {
        component: {name: round(count / tasks, 2) for name, count in sorted(counts.items(), key=_writes_first)}
        for component, counts in found.items()
    }


def writes_per_task(found: dict[str, Counter[str]], tasks: int) -> float:
    """Writes of tasks, Jobs and Pods per task: what etcd has to store, without events and token reviews."""
    total = sum(
        count
        for counts in found.values()
        for name, count in counts.items()
        if name.split()[0] in WRITES and name.split()[1].split("/")[0] in ("mcptasks", "jobs", "pods")
    )
    return round(total / tasks, 2)


def _writes_first(entry: tuple[str, int]) -> tuple[bool, str]:
    return entry[0].split()[0] not in WRITES, entry[0]


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and entry.get("stage") == "ResponseComplete" else {}


def _component(entry: dict[str, Any], namespace: str) -> str | None:
    user = (entry.get("user") or {}).get("username", "")
    return next((c for c in COMPONENTS if user == f"system:serviceaccount:{namespace}:mcptasks-{c}"), None)


def _name(entry: dict[str, Any]) -> str:
    reference = entry.get("objectRef") or {}
    resource = "/".join(part for part in (reference.get("resource"), reference.get("subresource")) if part)
    code = (entry.get("responseStatus") or {}).get("code", 0)
    return f"{entry.get('verb')} {resource or entry.get('requestURI')}" + (f" refused {code}" if code >= 400 else "")
