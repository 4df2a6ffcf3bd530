"""What a template's Pod spec leaves out: command, variables, token volume, security context. Pure.

What the template says stays as it is, fields that this code has never heard of included; the defaults are those that
the `restricted` Pod Security profile accepts.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from mcptasks.model.base import RUNNER, JsonObject, runner_container
from mcptasks.model.task_template import UserId
from mcptasks.settings import TOKEN_FILE, Settings

TOKEN_VOLUME = "mcptasks-token"
TOKEN_SECONDS = 3600
TMP_VOLUME = "mcptasks-tmp"
TMP_PATH = "/tmp"
GRACE_SECONDS = 30
UNPRIVILEGED_UID = 65532


class InvalidTemplateError(Exception):
    """The template's Pod is not one: the message says where."""


@dataclass(frozen=True, slots=True)
class PodProcess:
    """What the runner's container runs, where the template names no command of its own.

    `deadline_seconds` is the Pod's `activeDeadlineSeconds`. `variables` are those that the template cannot set;
    `pod_fields` have the value of a field of the Pod, by the downward API.
    """

    command: Sequence[str]
    deadline_seconds: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    pod_fields: Mapping[str, str] = field(default_factory=dict)


def as_merged(part: JsonObject) -> JsonObject:
    """A copy of a template's part without what is null in it, apart from lists.

    A merge patch (RFC 7386), with which `kubectl apply`, Helm and others change custom resources, takes that away and
    leaves lists as they are: a null must not mean one thing until the next of them, and another thing from then on.
    """
    return {
        key: as_merged(value) if isinstance(value, dict) else copy.deepcopy(value)
        for key, value in part.items()
        if value is not None
    }


def fill_pod_spec(spec: JsonObject, process: PodProcess, user_id: UserId, settings: Settings) -> None:
    """Fill in what a template's Pod spec leaves out. Changes the spec.

    Raises:
        InvalidTemplateError: it is not a Pod spec.
    """
    spec["restartPolicy"] = "Never"
    if process.deadline_seconds is None:
        spec.pop("activeDeadlineSeconds", None)
    else:
        spec["activeDeadlineSeconds"] = process.deadline_seconds
    spec.setdefault("automountServiceAccountToken", False)
    spec.setdefault("enableServiceLinks", False)
    spec.setdefault("terminationGracePeriodSeconds", GRACE_SECONDS)
    containers = named_objects(spec, "containers") or [{"name": RUNNER}]
    spec["containers"] = containers
    every = [*containers, *named_objects(spec, "initContainers")]
    _restrict_pod(object_at(spec, "securityContext", "podTemplate.spec"), every, user_id)
    for container in every:
        _restrict_container(container)
    _fill_runner(spec, process, settings)
    _add_volumes(spec, settings)


def _restrict_pod(context: JsonObject, containers: Iterable[JsonObject], user_id: UserId) -> None:
    """Run as an unprivileged user, unless the template names a user, wants root or leaves the user to the platform."""
    users = [context.get("runAsUser"), *(_security_of(container).get("runAsUser") for container in containers)]
    wants_root = 0 in users
    if not wants_root and context.setdefault("runAsNonRoot", True) and user_id is UserId.UNPRIVILEGED:
        context.setdefault("runAsUser", UNPRIVILEGED_UID)
    context.setdefault("seccompProfile", {"type": "RuntimeDefault"})


def _security_of(container: JsonObject) -> JsonObject:
    return object_at(container, "securityContext", f"container {container['name']}")


def _restrict_container(container: JsonObject) -> None:
    context = _security_of(container)
    capabilities = object_at(context, "capabilities", f"securityContext of container {container['name']}")
    capabilities.setdefault("drop", ["ALL"])
    added = capabilities.get("add") or []
    if not isinstance(added, list):
        raise InvalidTemplateError(f"capabilities.add of container {container['name']} must be a list")
    # The API server refuses a privileged container that must not gain privileges.
    if not context.get("privileged") and "SYS_ADMIN" not in added:
        context.setdefault("allowPrivilegeEscalation", False)


def _fill_runner(spec: JsonObject, process: PodProcess, settings: Settings) -> None:
    runner = runner_of(spec)
    runner.setdefault("image", settings.runner_image)
    if not runner.get("command") and not runner.get("args"):
        runner["command"] = list(process.command)
    runner.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    runner["securityContext"].setdefault("readOnlyRootFilesystem", True)
    runner["env"] = _environment(runner, process, _grace_seconds(spec), settings)


def _grace_seconds(spec: JsonObject) -> int:
    grace = spec["terminationGracePeriodSeconds"]
    return grace if isinstance(grace, int) and grace >= 0 else GRACE_SECONDS


def _environment(runner: JsonObject, process: PodProcess, grace: int, settings: Settings) -> list[JsonObject]:
    """The template's variables, then ours. The template may set its own gateway or log format, never another task."""
    own = {
        "MCPTASKS_GATEWAY_URL": settings.gateway_url,
        "MCPTASKS_TOKEN_FILE": TOKEN_FILE,
        "MCPTASKS_LOG_FORMAT": settings.log_format,
    }
    forced = {"MCPTASKS_GRACE_SECONDS": str(grace)} | dict(process.variables)
    given = [
        entry
        for entry in named_objects(runner, "env")
        if entry["name"] not in forced and entry["name"] not in process.pod_fields
    ]
    names = {entry["name"] for entry in given}
    added = {name: value for name, value in own.items() if name not in names} | forced
    fields = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in process.pod_fields.items()
    ]
    return given + [{"name": name, "value": value} for name, value in added.items()] + fields


def _add_volumes(spec: JsonObject, settings: Settings) -> None:
    runner = runner_of(spec)
    token = {
        "serviceAccountToken": {
            "audience": settings.gateway_audience,
            "expirationSeconds": TOKEN_SECONDS,
            "path": PurePosixPath(TOKEN_FILE).name,
        }
    }
    projected = {"name": TOKEN_VOLUME, "projected": {"sources": [token]}}
    _mount(spec, runner, projected, str(PurePosixPath(TOKEN_FILE).parent), read_only=True)
    _mount(spec, runner, {"name": TMP_VOLUME, "emptyDir": {}}, TMP_PATH)


def _mount(spec: JsonObject, container: JsonObject, volume: JsonObject, path: str, *, read_only: bool = False) -> None:
    """Mount the volume, unless the template has put something else there."""
    mounts = named_objects(container, "volumeMounts")
    if any(_path_of(mount) == path for mount in mounts):
        return
    volumes = named_objects(spec, "volumes")
    spec["volumes"] = [*(v for v in volumes if v["name"] != volume["name"]), volume]
    mount: JsonObject = {"name": volume["name"], "mountPath": path}
    container["volumeMounts"] = [*mounts, mount | {"readOnly": True} if read_only else mount]


def _path_of(mount: JsonObject) -> str:
    path = mount.get("mountPath", "")
    if not isinstance(path, str):
        raise InvalidTemplateError(
            f"mountPath of volumeMount {mount['name']} must be a text, not {type(path).__name__} ({path!r}): quote it"
        )
    return path.rstrip("/")


def runner_of(spec: JsonObject) -> JsonObject:
    """The container of a filled Pod spec that runs the tool."""
    return runner_container(spec["containers"])


def object_at(parent: JsonObject, key: str, where: str) -> JsonObject:
    """The object under the key, created if it is missing."""
    value = parent.get(key)
    if value is None:
        value = parent[key] = {}
    if not isinstance(value, dict):
        raise InvalidTemplateError(f"{key} of {where} must be an object, not {type(value).__name__}")
    return value


def named_objects(parent: JsonObject, key: str) -> list[JsonObject]:
    """The list of named objects under the key; empty if it is missing."""
    value = parent.get(key) or []
    if not isinstance(value, list) or not all(isinstance(i, dict) and isinstance(i.get("name"), str) for i in value):
        raise InvalidTemplateError(f"{key} must be a list of objects that each have a name")
    return value
