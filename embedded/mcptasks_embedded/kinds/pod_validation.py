"""What an API server refuses in a Pod's spec, in its own words, as far as it matters for the Pods of tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mcptasks_embedded.values.errors import FieldError, forbidden_field, invalid_value, required, show, unsupported
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.quantity import parse_quantity

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_LENGTH = 63
_LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_VARIABLE = re.compile(r"[ -<>-~]+")
_VARIABLE_MESSAGE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_SECONDS_LIMIT = 2**31 - 1
_CHOICES: Mapping[str, Sequence[str]] = {
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "terminationMessagePolicy": ("File", "FallbackToLogsOnError"),
}
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
#: The order in which an API server looks for a volume's type; a second type is refused.
_VOLUME_ORDER = (
    "emptyDir",
    "hostPath",
    "secret",
    "nfs",
    "persistentVolumeClaim",
    "downwardAPI",
    "configMap",
    "projected",
    "csi",
    "ephemeral",
    "image",
)


def pod_spec_errors(spec: Json, path: str) -> list[FieldError]:
    """What is wrong with a Pod's spec that has its defaults; `path` leads to the spec within its object."""
    return list(_PodSpec(spec, path).errors())


def image_errors(spec: Json, path: str) -> list[FieldError]:
    """What is checked in Pods only, not in the templates of Jobs."""
    return [
        invalid_value(f"{path}.{kind}[{index}].image", image, "must not have leading or trailing whitespace")
        for kind in ("containers", "initContainers")
        for index, container in enumerate(spec.get(kind) or ())
        if (image := container.get("image") or "") != image.strip()
    ]


@dataclass(slots=True)
class _Names:
    """Checks names that must be DNS labels and unique among those seen before."""

    seen: set[str] = field(default_factory=set)

    def errors(self, name: str | None, path: str) -> Iterator[FieldError]:
        if not name:
            yield required(path)
            return
        yield from _label_errors(name, path)
        if name in self.seen:
            yield FieldError("FieldValueDuplicate", path, "", show(name))
        self.seen.add(name)


def _label_errors(name: str, path: str) -> Iterator[FieldError]:
    if "." in name:
        yield invalid_value(path, name, "must not contain dots")
        return
    if len(name) > _LABEL_LENGTH:
        yield invalid_value(path, name, f"must be no more than {_LABEL_LENGTH} characters")
    if not _LABEL.fullmatch(name):
        yield invalid_value(path, name, _LABEL_MESSAGE)


@dataclass(frozen=True, slots=True)
class _PodSpec:
    spec: Json
    path: str

    def errors(self) -> Iterator[FieldError]:
        yield from self._volumes()
        if not self.spec.get("containers"):
            yield required(f"{self.path}.containers")
        volumes = {volume.get("name") for volume in self.spec.get("volumes") or ()}
        names = _Names()
        for kind in ("containers", "initContainers"):
            for index, container in enumerate(self.spec.get(kind) or ()):
                where = f"{self.path}.{kind}[{index}]"
                yield from names.errors(container.get("name"), f"{where}.name")
                yield from _container_errors(container, volumes, where)
        yield from self._limits()

    def _volumes(self) -> Iterator[FieldError]:
        names = _Names()
        for index, volume in enumerate(self.spec.get("volumes") or ()):
            where = f"{self.path}.volumes[{index}]"
            yield from names.errors(volume.get("name"), f"{where}.name")
            sources = [name for name in _VOLUME_ORDER if name in volume]
            for name in sources[1:]:
                yield forbidden_field(f"{where}.{name}", "may not specify more than 1 volume type")

    def _limits(self) -> Iterator[FieldError]:
        policy = self.spec.get("restartPolicy")
        if policy is not None and policy not in _RESTART_POLICIES:
            yield unsupported(f"{self.path}.restartPolicy", policy, _RESTART_POLICIES)
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is not None and not 1 <= seconds <= _SECONDS_LIMIT:
            detail = f"must be between 1 and {_SECONDS_LIMIT}, inclusive"
            yield invalid_value(f"{self.path}.activeDeadlineSeconds", seconds, detail)


def _container_errors(container: Json, volumes: set[str], path: str) -> Iterator[FieldError]:
    if not container.get("image"):
        yield required(f"{path}.image")
    for name, choices in _CHOICES.items():
        if container.get(name) is not None and container[name] not in choices:
            yield unsupported(f"{path}.{name}", container[name], choices)
    for index, variable in enumerate(container.get("env") or ()):
        yield from _variable_errors(variable, f"{path}.env[{index}]")
    yield from _mount_errors(container.get("volumeMounts") or (), volumes, path)
    yield from _resource_errors(container.get("resources") or {}, f"{path}.resources")


def _variable_errors(variable: Json, path: str) -> Iterator[FieldError]:
    name = variable.get("name")
    if not name:
        yield required(f"{path}.name")
    elif not _VARIABLE.fullmatch(name):
        yield invalid_value(f"{path}.name", name, _VARIABLE_MESSAGE)
    if variable.get("value") and variable.get("valueFrom"):
        yield invalid_value(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")


def _mount_errors(mounts: Sequence[Json], volumes: set[str], path: str) -> Iterator[FieldError]:
    seen = set()
    for index, mount in enumerate(mounts):
        where = f"{path}.volumeMounts[{index}]"
        name, target = mount.get("name"), mount.get("mountPath")
        if not name:
            yield required(f"{where}.name")
        elif name not in volumes:
            yield FieldError("FieldValueNotFound", f"{where}.name", "", show(name))
        if not target:
            yield required(f"{where}.mountPath")
        elif target in seen:
            yield invalid_value(f"{where}.mountPath", target, "must be unique")
        seen.add(target)


def _resource_errors(resources: Json, path: str) -> Iterator[FieldError]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for kind, quantities in (("limits", limits), ("requests", requests)):
        for name, quantity in quantities.items():
            if parse_quantity(quantity) < 0:
                yield invalid_value(f"{path}.{kind}[{name}]", quantity, "must be greater than or equal to 0")
    for name, quantity in requests.items():
        if name in limits and parse_quantity(quantity) > parse_quantity(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            yield invalid_value(f"{path}.requests", quantity, detail)
