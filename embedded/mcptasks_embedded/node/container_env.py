"""Environment, command and arguments of a container. Only `MountPaths` looks at the file system.

There is no mount namespace: a volume is a directory below the Pod's own. Where an environment value, command or
argument names a path at or below a `mountPath`, that part is replaced by the directory. A path that exists on this
machine but not in the volume stays as it is: it is meant for this machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcptasks_embedded.objects.selectors import field_text
from mcptasks_embedded.values.json_object import Json

_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")
_KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")
_ENDS = r"\s\"'`,;:=|&<>()"
_PATH_END = re.compile(f"[{_ENDS}]")


class ConfigError(Exception):
    """The container cannot be configured: a Secret, ConfigMap, key or field is missing."""


@dataclass(frozen=True, slots=True)
class MountPaths:
    """Where the volumes of a container are: mount path -> real path."""

    paths: Mapping[str, Path] = field(default_factory=dict)

    def rewrite(self, text: str) -> str:
        """`text` with the mount paths in it replaced; where one is below another, the longer one counts."""
        mounts = sorted((mount.rstrip("/") for mount in self.paths), key=len, reverse=True)
        if not any(mount in text for mount in mounts):
            return text
        choices = "|".join(re.escape(mount) for mount in mounts)
        return re.sub(rf"(?<![\w./-])({choices})(?=$|[/{_ENDS}])", lambda match: self._real(text, match), text)

    def _real(self, text: str, match: re.Match[str]) -> str:
        end = _PATH_END.search(text, match.end())
        inner = text[match.end() : end.start() if end else len(text)]
        real = self.paths.get(match[1]) or self.paths[f"{match[1]}/"]
        if inner and not os.path.exists(f"{real}{inner}") and os.path.exists(match[0] + inner):
            return match[0]
        return str(real)


def expand(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` expansion; `$$` is a literal `$`, an unknown name stays as it is."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return env.get(match[2], match[0])

    return _REFERENCE.sub(value, text)


def field_value(pod: Json, path: str) -> str:
    """The downward API's `fieldRef`. Raises ConfigError for a field that it does not offer."""
    if keyed := _KEYED.match(path):
        return str((pod["metadata"].get(keyed[1]) or {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        values = pod["metadata"].get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(values.items()))
    known = (
        "metadata.name metadata.namespace metadata.uid spec.nodeName spec.serviceAccountName status.podIP status.hostIP"
    )
    if path not in known.split():
        raise ConfigError(f"unsupported fieldPath: {path}")
    return field_text(pod, path)


def resource_value(container: Json, path: str, capacity: Mapping[str, str]) -> str:
    """`resourceFieldRef`; a limit that is not set is the node's capacity."""
    part, _, name = path.partition(".")
    amounts = (container.get("resources") or {}).get(part) or {}
    return str(amounts.get(name) or (capacity.get(name, "0") if part == "limits" else "0"))


#: Data of a ConfigMap or Secret, decoded: (kind, name) -> key -> text. None when there is no such object.
DataSource = Callable[[str, str], Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class EnvSources:
    """What `valueFrom` and `envFrom` may refer to."""

    pod: Json
    data: DataSource
    capacity: Mapping[str, str]


def _from_object(kind: str, reference: Json, sources: EnvSources) -> str | None:
    data = sources.data(kind, reference["name"])
    if data is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    value = data.get(reference["key"])
    if value is None and not reference.get("optional"):
        raise ConfigError(
            f"couldn't find key {reference['key']} in {kind} {sources.pod['metadata']['namespace']}/{reference['name']}"
        )
    return value


def _value_from(source: Json, container: Json, sources: EnvSources) -> str | None:
    if reference := source.get("fieldRef"):
        return field_value(sources.pod, reference["fieldPath"])
    if reference := source.get("resourceFieldRef"):
        return resource_value(container, reference["resource"], sources.capacity)
    if reference := source.get("secretKeyRef"):
        return _from_object("Secret", reference, sources)
    if reference := source.get("configMapKeyRef"):
        return _from_object("ConfigMap", reference, sources)
    raise ConfigError(f"unsupported valueFrom: {', '.join(source)}")


def _env_from(container: Json, sources: EnvSources) -> dict[str, str]:
    env: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        kind = "Secret" if "secretRef" in source else "ConfigMap"
        reference = source.get("secretRef") or source.get("configMapRef") or {}
        data = sources.data(kind, reference.get("name", ""))
        if data is None and not reference.get("optional"):
            raise ConfigError(f'{kind.lower()} "{reference.get("name", "")}" not found')
        env |= {source.get("prefix", "") + key: value for key, value in (data or {}).items()}
    return env


def container_env(container: Json, sources: EnvSources) -> dict[str, str]:
    """The variables that the Pod defines, expanded. Raises ConfigError."""
    env = _env_from(container, sources)
    for item in container.get("env") or ():
        if item.get("valueFrom"):
            value = _value_from(item["valueFrom"], container, sources)
            if value is not None:
                env[item["name"]] = value
        else:
            env[item["name"]] = expand(str(item.get("value", "")), env)
    return env


def container_argv(container: Json, env: Mapping[str, str], entrypoint: list[str]) -> list[str]:
    """Command and arguments, expanded; `entrypoint` stands for the image's where there is no command."""
    command = container.get("command")
    head = [expand(part, env) for part in command] if command else list(entrypoint)
    return head + [expand(part, env) for part in container.get("args") or ()]
