"""Request bodies and options: JSON or YAML in, typed values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from aiohttp import web

from mcptasks_embedded.api.object_protobuf import MEDIA_TYPE, ObjectDecoder
from mcptasks_embedded.api.routes import is_true
from mcptasks_embedded.objects.options import DeleteOptions, Patch, PodLogOptions, WriteOptions
from mcptasks_embedded.objects.selectors import Selection, parse_selection
from mcptasks_embedded.values import errors, json_values, times
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json

REQUEST_LIMIT = 3 * 1024 * 1024
_JSON = "application/json"
_PATCHES = {
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "json",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


class _PlainLoader(yaml.SafeLoader):
    """Loads YAML as if it were JSON: times stay text."""


_PlainLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


async def read(request: web.Request) -> bytes:
    """The body. Raises ApiError 413 when it is larger than the limit."""
    if (request.content_length or 0) > REQUEST_LIMIT:
        raise errors.too_large(REQUEST_LIMIT)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise errors.too_large(REQUEST_LIMIT) from None


def _yaml(data: bytes) -> Any:
    try:
        return json_values.normalise(yaml.load(data, _PlainLoader))
    except (yaml.YAMLError, ValueError) as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from None


def _protobuf(data: bytes, decoder: ObjectDecoder) -> Json:
    try:
        return decoder.decode(data)
    except ValueError as error:
        raise errors.bad_request(f"the object provided is unrecognized: {error}") from None


def decode(data: bytes, media: str, decoder: ObjectDecoder | None = None) -> Any:
    """The value in a body. Raises ApiError 400 for a malformed one, 415 for a media type that is not served."""
    if media == MEDIA_TYPE and decoder is not None:
        return _protobuf(data, decoder)
    if media in ("application/yaml", "application/apply-patch+yaml"):
        if not data.lstrip().startswith(b"{"):
            return _yaml(data)
    elif media not in (_JSON, *_PATCHES, "", "application/octet-stream"):
        raise errors.unsupported_media(media, [_JSON, "application/yaml"])
    try:
        return json_values.loads(data)
    except (ValueError, RecursionError) as error:
        raise errors.bad_request(f"the object provided is unrecognized: {error}") from None


async def read_object(request: web.Request, decoder: ObjectDecoder) -> Json:
    data = await read(request)
    body = decode(data, request.content_type, decoder) if data else None
    if not isinstance(body, dict):
        raise errors.bad_request("the object provided is unrecognized: a JSON object is expected")
    if not isinstance(body.get("metadata", {}), dict):
        raise errors.bad_request("metadata must be an object")
    return body


async def read_patch(request: web.Request) -> Patch:
    kind = _PATCHES.get(request.content_type)
    if kind is None:
        raise errors.unsupported_media(request.content_type, list(_PATCHES))
    body = decode(await read(request), request.content_type)
    if kind != "json" and not isinstance(body, dict):
        raise errors.bad_request("the patch must be a JSON object")
    return Patch(kind, body)


def _dry_run(values: Any) -> bool:
    listed = values if isinstance(values, list) else [values] if values else []
    if any(value != "All" for value in listed):
        raise errors.bad_request('dryRun: Unsupported value: supported values: "All"')
    return bool(listed)


def write_options(query: Mapping[str, str]) -> WriteOptions:
    validation = query.get("fieldValidation", "") or "Warn"
    if validation not in ("Ignore", "Warn", "Strict"):
        supported = 'supported values: "Ignore", "Warn", "Strict"'
        raise errors.bad_request(f'fieldValidation: Unsupported value: "{validation}": {supported}')
    return WriteOptions(
        dry_run=_dry_run(query.get("dryRun")),
        field_validation=validation,
        field_manager=query.get("fieldManager", ""),
        force=is_true(query, "force"),
    )


def log_options(query: Mapping[str, str]) -> PodLogOptions:
    """The options of `pods/log`. Raises ApiError 400."""
    try:
        since = None
        if seconds := query.get("sinceSeconds"):
            since = times.now().timestamp() - float(seconds)
        if moment := query.get("sinceTime"):
            since = times.parse(moment).timestamp()
        return PodLogOptions(
            container=query.get("container", ""),
            follow=is_true(query, "follow"),
            previous=is_true(query, "previous"),
            timestamps=is_true(query, "timestamps"),
            tail=int(query["tailLines"]) if query.get("tailLines") else None,
            limit=int(query["limitBytes"]) if query.get("limitBytes") else None,
            since=since,
        )
    except ValueError as error:
        raise errors.bad_request(f"invalid log options: {error}") from None


async def read_delete_options(request: web.Request, decoder: ObjectDecoder) -> DeleteOptions:
    """DeleteOptions from the body or, where it leaves something out, from the query. Raises ApiError 400."""
    data = await read(request)
    body = decode(data, request.content_type, decoder) if data.strip() else {}
    if not isinstance(body, dict):
        raise errors.bad_request("DeleteOptions must be an object")
    query = request.query
    propagation: Any = body.get("propagationPolicy") or query.get("propagationPolicy")
    if body.get("orphanDependents") is not None or "orphanDependents" in query:
        orphan = body.get("orphanDependents") or is_true(query, "orphanDependents")
        propagation = "Orphan" if orphan else "Background"
    if propagation not in (None, "Background", "Foreground", "Orphan"):
        raise errors.bad_request(f'invalid propagationPolicy: "{propagation}"')
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    preconditions = body.get("preconditions") or {}
    return DeleteOptions(
        propagation=propagation,
        grace=_seconds(grace),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=_dry_run(body.get("dryRun") or query.getall("dryRun", [])),
    )


def _seconds(value: Any) -> int | None:
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        raise errors.bad_request(f"gracePeriodSeconds: not a number: {value!r}") from None


def check_typed(body: Json, kind: str) -> None:
    """Raises ApiError 400 when a custom resource does not say what it is."""
    for name, shown in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        if not body.get(name):
            text = json_values.dumps(body).decode()
            what = f"the object provided is unrecognized (must be of type {kind}): Object '{shown}' is missing in"
            raise errors.bad_request(f"{what} '{text[:200]}'")


def check_identity(body: Json, api_version: str, kind: str, namespace: str, name: str) -> None:
    """Raises ApiError 400 when the body names another object than the path."""
    given = body.get("apiVersion") or api_version
    if given != api_version:
        message = f"the API version in the data ({given}) does not match the expected API version ({api_version})"
        raise errors.bad_request(message)
    if (body.get("kind") or kind) != kind:
        raise errors.bad_request(f"the kind in the data ({body['kind']}) does not match the expected kind ({kind})")
    metadata = body.get("metadata") or {}
    if namespace and metadata.get("namespace") not in (None, "", namespace):
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    given_name = metadata.get("name")
    if name and given_name not in (None, "", name):
        raise errors.bad_request(f"the name of the object ({given_name}) does not match the name on the URL ({name})")


def selection_of(query: Mapping[str, str], kind: ApiKind) -> Selection:
    """The selection of a list, watch or deletecollection. Raises ApiError 400."""
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    return parse_selection(kind.storage.group, kind.plural, kind.selectable, labels, fields)
