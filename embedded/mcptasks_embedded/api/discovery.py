"""Discovery: what /api, /apis, the resource lists and /version tell clients."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from mcptasks_embedded.kinds.kind_registry import KindRegistry
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.release import GIT_VERSION, MAJOR, MINOR


def version() -> Json:
    return {
        "major": MAJOR,
        "minor": MINOR,
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": f"python{platform.python_version()}",
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }


def api_versions() -> Json:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(registry: KindRegistry) -> Json:
    names = dict.fromkeys(kind.group for kind in registry.all() if kind.group)
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(registry, name) for name in names]}


def _group(registry: KindRegistry, name: str) -> Json:
    versions = dict.fromkeys(kind.version for kind in registry.all() if kind.group == name)
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def group(registry: KindRegistry, name: str) -> Json | None:
    if not any(kind.group == name for kind in registry.all()):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(registry, name)}


def resource_list(registry: KindRegistry, group_name: str, version_name: str) -> Json | None:
    kinds = [kind for kind in registry.all() if (kind.group, kind.version) == (group_name, version_name)]
    if not kinds:
        return None
    resources = [item for kind in kinds for item in _resources(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": resources,
    }


def _resources(kind: ApiKind) -> list[Json]:
    main: Json = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        main["shortNames"] = list(kind.short_names)
    if kind.categories:
        main["categories"] = list(kind.categories)
    result = [main]
    if kind.status:
        result.append(_subresource(kind, "status", _Subresource(kind.kind, ("get", "patch", "update"))))
    return result + [_subresource(kind, name, _SUBRESOURCES[name]) for name in kind.subresources]


@dataclass(frozen=True)
class _Subresource:
    """`group` and `version` are those of the kind it takes, where they differ from the resource's."""

    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


_SUBRESOURCES = {
    "log": _Subresource("Pod", ("get",)),
    "eviction": _Subresource("Eviction", ("create",), "policy", "v1"),
    "token": _Subresource("TokenRequest", ("create",), "authentication.k8s.io", "v1"),
}


def _subresource(kind: ApiKind, name: str, subresource: _Subresource) -> Json:
    entry: Json = {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": subresource.kind,
        "verbs": list(subresource.verbs),
    }
    if subresource.group:
        entry |= {"group": subresource.group, "version": subresource.version}
    return entry
