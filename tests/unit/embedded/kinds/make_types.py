"""Makes `embedded/mcptasks_embedded/kinds/kubernetes_types.json` from the API's protocol buffer definitions.

    python tests/unit/embedded/kinds/make_types.py DIRECTORY VERSION \
        > embedded/mcptasks_embedded/kinds/kubernetes_types.json

DIRECTORY holds the Go modules `k8s.io/api@VERSION` and `k8s.io/apimachinery@VERSION` as the Go tool unpacks them.
Run it again for a new Kubernetes release.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

FILES = {
    "core.v1": "api@{}/core/v1",
    "batch.v1": "api@{}/batch/v1",
    "coordination.v1": "api@{}/coordination/v1",
    "rbac.v1": "api@{}/rbac/v1",
    "authentication.v1": "api@{}/authentication/v1",
    "authorization.v1": "api@{}/authorization/v1",
    "policy.v1": "api@{}/policy/v1",
    "events.v1": "api@{}/events/v1",
    "meta.v1": "apimachinery@{}/pkg/apis/meta/v1",
    "resource": "apimachinery@{}/pkg/api/resource",
    "intstr": "apimachinery@{}/pkg/util/intstr",
    "runtime": "apimachinery@{}/pkg/runtime",
}
ROOTS = [
    "core.v1.Namespace",
    "core.v1.Node",
    "core.v1.Pod",
    "core.v1.Event",
    "core.v1.Secret",
    "core.v1.ConfigMap",
    "core.v1.ServiceAccount",
    "core.v1.Service",
    "core.v1.Endpoints",
    "core.v1.ResourceQuota",
    "batch.v1.Job",
    "coordination.v1.Lease",
    "events.v1.Event",
    "rbac.v1.Role",
    "rbac.v1.RoleBinding",
    "rbac.v1.ClusterRole",
    "rbac.v1.ClusterRoleBinding",
    "authentication.v1.TokenReview",
    "authentication.v1.TokenRequest",
    "authentication.v1.SelfSubjectReview",
    "authorization.v1.SelfSubjectAccessReview",
    "authorization.v1.SubjectAccessReview",
    "authorization.v1.SelfSubjectRulesReview",
    "policy.v1.Eviction",
    "meta.v1.DeleteOptions",
]

#: Fields that Go embeds: their own fields appear in the parent's JSON.
INLINE = frozenset(
    {"volumeSource", "persistentVolumeSource", "handler", "ephemeralContainerCommon", "localObjectReference"}
)

FIELD = re.compile(
    r"^  (optional|repeated|map<string, (?P<value>[\w.]+)>)\s*(?P<type>[\w.]+)? (?P<name>\w+) = (?P<number>\d+);"
)


def full_name(name: str, package: str) -> str:
    if name in ("string", "int32", "int64", "bool", "bytes", "double"):
        return name
    if not name.startswith("."):
        return f"{package}.{name}"
    parts = name.strip(".").split(".")
    tail = parts[-2:] if parts[-2] in ("resource", "intstr", "runtime") else parts[-3:]
    return ".".join(tail)


def read(path: Path, package: str) -> dict[str, dict[str, list[object]]]:
    messages: dict[str, dict[str, list[object]]] = {}
    current: dict[str, list[object]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("message "):
            current = messages[f"{package}.{line.split()[1]}"] = {}
        elif match := FIELD.match(line):
            if match["value"]:
                kind = f"map {full_name(match['value'], package)}"
            else:
                kind = ("list " if match[1] == "repeated" else "") + full_name(match["type"], package)
            if match["name"] in INLINE:
                kind = f"inline {kind}"
            current[match["name"]] = [int(match["number"]), kind]
    return messages


def reachable(messages: dict[str, dict[str, list[object]]]) -> dict[str, dict[str, list[object]]]:
    found: dict[str, dict[str, list[object]]] = {}
    todo = list(ROOTS)
    while todo:
        name = todo.pop()
        if name in found or name not in messages:
            continue
        found[name] = messages[name]
        todo += [str(kind).split()[-1] for _, kind in messages[name].values()]
    return dict(sorted(found.items()))


def main() -> None:
    root, version = Path(sys.argv[1]), sys.argv[2]
    messages: dict[str, dict[str, list[object]]] = {}
    for package, folder in FILES.items():
        messages |= read(root / folder.format(version) / "generated.proto", package)
    lines = [f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in reachable(messages).items()]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
