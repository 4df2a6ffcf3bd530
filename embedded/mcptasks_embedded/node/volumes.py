"""Volumes of a Pod as directories below the Pod's own."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mcptasks_embedded.access.tokens import Tokens
from mcptasks_embedded.node.container_env import field_value
from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import SERVICE_ACCOUNTS, GroupResource, Ref

#: A token is replaced once this share of its life is over.
_REFRESH_SHARE = 0.8


class MountError(Exception):
    """A volume cannot be set up (yet)."""


def object_data(store: ObjectStore, namespace: str, kind: str, name: str) -> dict[str, bytes] | None:
    """The data of a Secret or ConfigMap; None when there is none of that name."""
    plural = "secrets" if kind == "Secret" else "configmaps"
    entry = store.get(Ref(GroupResource("", plural), namespace, name))
    if entry is None:
        return None
    data = entry.obj.get("data") or {}
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in data.items()}
    binary = {key: base64.b64decode(value) for key, value in (entry.obj.get("binaryData") or {}).items()}
    return {**{key: value.encode() for key, value in data.items()}, **binary}


@dataclass(slots=True)
class VolumeContent:
    """The files of one volume, and in how many seconds they must be renewed (tokens)."""

    files: dict[str, bytes] = field(default_factory=dict)
    refresh: float | None = None

    def add(self, other: VolumeContent) -> None:
        self.files |= other.files
        times = [seconds for seconds in (self.refresh, other.refresh) if seconds is not None]
        self.refresh = min(times, default=None)


@dataclass(frozen=True, slots=True)
class VolumeSources:
    """Where the content of volumes comes from."""

    store: ObjectStore
    tokens: Tokens
    pod: Json

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"]["namespace"])

    def content(self, volume: Json) -> VolumeContent | None:
        """The files of a volume; None for a plain directory. Raises MountError."""
        if (secret := volume.get("secret")) is not None:
            reference = {**secret, "name": secret.get("secretName", "")}
            return self._object("Secret", reference)
        if (config := volume.get("configMap")) is not None:
            return self._object("ConfigMap", config)
        if (downward := volume.get("downwardAPI")) is not None:
            return self._downward(downward)
        if (projected := volume.get("projected")) is not None:
            content = VolumeContent()
            for source in projected.get("sources") or ():
                content.add(self._source(source))
            return content
        if "emptyDir" in volume:
            return None
        raise MountError(f"volume {volume['name']}: unsupported type {', '.join(volume.keys() - {'name'})}")

    def _source(self, source: Json) -> VolumeContent:
        if (token := source.get("serviceAccountToken")) is not None:
            return self._token(token)
        if (secret := source.get("secret")) is not None:
            return self._object("Secret", secret)
        if (config := source.get("configMap")) is not None:
            return self._object("ConfigMap", config)
        if (downward := source.get("downwardAPI")) is not None:
            return self._downward(downward)
        raise MountError(f"unsupported projected source: {', '.join(source)}")

    def _object(self, kind: str, reference: Json) -> VolumeContent:
        name = reference.get("name", "")
        data = object_data(self.store, self.namespace, kind, name)
        if data is None:
            if reference.get("optional"):
                return VolumeContent()
            raise MountError(f'{kind.lower()} "{name}" not found')
        items = reference.get("items")
        if items is None:
            return VolumeContent(data)
        missing = [item["key"] for item in items if item["key"] not in data]
        if missing and not reference.get("optional"):
            raise MountError(f"references non-existent {kind.lower()} key: {missing[0]}")
        return VolumeContent({item["path"]: data[item["key"]] for item in items if item["key"] in data})

    def _downward(self, source: Json) -> VolumeContent:
        files = {}
        for item in source.get("items") or ():
            if reference := item.get("fieldRef"):
                files[item["path"]] = field_value(self.pod, reference["fieldPath"]).encode()
        return VolumeContent(files)

    def _token(self, source: Json) -> VolumeContent:
        name = self.pod["spec"].get("serviceAccountName") or "default"
        account = self.store.get(Ref(SERVICE_ACCOUNTS, self.namespace, name))
        if account is None:
            raise MountError(f'failed to fetch token: serviceaccounts "{name}" not found')
        seconds = int(source.get("expirationSeconds") or 3600)
        audiences = [source["audience"]] if source.get("audience") else []
        issued = self.tokens.issue(account.obj, audiences, seconds, self.pod)
        return VolumeContent({source["path"]: issued.token.encode()}, seconds * _REFRESH_SHARE)


class PodVolumes:
    """The volumes of one Pod on disk."""

    def __init__(self, root: Path, sources: VolumeSources) -> None:
        self._root = root
        self._sources = sources

    def _directory(self, name: str) -> Path:
        return self._root / quote(name, safe="")

    def set_up(self) -> float | None:
        """Write all volumes; the result says in how many seconds to do so again. Raises MountError, OSError."""
        again: list[float] = []
        for volume in self._sources.pod["spec"].get("volumes") or ():
            if "hostPath" in volume:
                continue
            directory = self._directory(volume["name"])
            content = self._sources.content(volume)
            directory.mkdir(parents=True, exist_ok=True)
            if content is not None:
                _write(directory, content.files)
                again += [content.refresh] if content.refresh is not None else []
        return min(again, default=None)

    def paths(self, container: Json) -> dict[str, Path]:
        """Mount path -> real path of a container's mounts. Raises OSError when a subPath cannot be made."""
        volumes: Mapping[str, Json] = {v["name"]: v for v in self._sources.pod["spec"].get("volumes") or ()}
        result = {}
        for mount in container.get("volumeMounts") or ():
            volume = volumes[mount["name"]]
            path = Path(volume["hostPath"]["path"]) if "hostPath" in volume else self._directory(mount["name"])
            if sub := mount.get("subPath"):
                path = path / sub
                if not path.exists():
                    path.mkdir(parents=True)
            result[mount["mountPath"]] = path
        return result


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files so that each appears whole: no reader sees half a token."""
    for name, data in files.items():
        path = directory / name
        if not path.resolve().is_relative_to(directory.resolve()):
            raise MountError(f"invalid path {name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        fresh.replace(path)
