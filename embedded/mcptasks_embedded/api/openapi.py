"""OpenAPI documents: /openapi/v3 for `kubectl explain` and validation, /openapi/v2 for Lists and old clients.

Custom resources are described by their CRD's schema, built-in kinds by their fields, without descriptions.
"""

from __future__ import annotations

from typing import Any

from mcptasks_embedded.api import openapi_v2
from mcptasks_embedded.kinds.api_types import ApiTypes
from mcptasks_embedded.kinds.kind_registry import KindRegistry
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.release import GIT_VERSION

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_GVK = "x-kubernetes-group-version-kind"
_REFERENCE = "#/components/schemas/"
_DROPPED = frozenset({"x-kubernetes-validations"})
_METADATA = "Standard object's metadata."
_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_API_VERSION = {
    "type": "string",
    "description": "APIVersion defines the versioned schema of this representation of an object.",
}
_KIND = {
    "type": "string",
    "description": "Kind is a string value representing the REST resource this object represents.",
}


def _object_meta() -> Json:
    strings = {"type": "object", "additionalProperties": {"type": "string", "default": ""}}
    described = {
        "name": {"type": "string", "description": "Name must be unique within a namespace."},
        "generateName": {"type": "string", "description": "A prefix from which the server makes a unique name."},
        "namespace": {"type": "string", "description": "The space within which each name must be unique."},
        "labels": {**strings, "description": "Map of string keys and values to organize and select objects."},
        "annotations": {**strings, "description": "Unstructured key value map set by external tools."},
        "uid": {"type": "string", "description": "Unique in time and space; set by the server."},
        "resourceVersion": {"type": "string", "description": "The internal version of this object."},
        "generation": {"type": "integer", "format": "int64", "description": "Counts changes of the desired state."},
        "creationTimestamp": {"type": "string", "format": "date-time", "description": "When the object was created."},
        "deletionTimestamp": {
            "type": "string",
            "format": "date-time",
            "description": "When the object will be deleted.",
        },
        "deletionGracePeriodSeconds": {
            "type": "integer",
            "format": "int64",
            "description": "Seconds until the object is removed once it is deleted.",
        },
        "selfLink": {"type": "string", "description": "Deprecated; never set."},
        "finalizers": {"type": "array", "items": {"type": "string"}, "description": "Must be empty before deletion."},
        "ownerReferences": {"type": "array", "items": _OPEN, "description": "Objects that this object depends on."},
        "managedFields": {"type": "array", "items": _OPEN, "description": "Who applied which fields."},
    }
    return {
        "type": "object",
        "description": "ObjectMeta is metadata that all persisted resources have.",
        "properties": described,
    }


def _schema_name(kind: ApiKind) -> str:
    reversed_group = ".".join(reversed(kind.group.split("."))) if kind.group else "io.k8s.api.core"
    return f"{reversed_group}.{kind.version}.{kind.kind}"


def _gvk(kind: ApiKind) -> Json:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _published(schema: Any) -> Any:
    """A CRD's schema as it is published: without its rules, for which OpenAPI has no place."""
    if isinstance(schema, dict):
        return {name: _published(value) for name, value in schema.items() if name not in _DROPPED}
    if isinstance(schema, list):
        return [_published(item) for item in schema]
    return schema


def _metadata(reference: str) -> Json:
    return {"allOf": [{"$ref": f"{reference}{_META}"}], "description": _METADATA, "default": {}}


def _component(kind: ApiKind, reference: str) -> Json:
    schema: Json = _published(dict(kind.schema)) if kind.schema else {"type": "object"}
    properties = {"apiVersion": _API_VERSION, "kind": _KIND, **schema.get("properties", {})}
    properties["metadata"] = _metadata(reference)
    if not kind.schema:
        properties |= {"spec": _OPEN, "status": _OPEN}
        schema["x-kubernetes-preserve-unknown-fields"] = True
        schema["description"] = f"{kind.kind} of {kind.api_version}."
    return {**schema, "properties": properties, _GVK: [_gvk(kind)]}


def _operation(kind: ApiKind, verb: str, write: bool) -> Json:
    names = ["dryRun", "fieldManager", "fieldValidation"] if write else ["pretty"]
    parameters = [{"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for name in names]
    media = {"application/json": {"schema": {"$ref": f"#/components/schemas/{_schema_name(kind)}"}}}
    responses = {"200": {"description": "OK", "content": media}}
    return {"parameters": parameters, "responses": responses, "x-kubernetes-action": verb, _GVK: _gvk(kind)}


def _paths(kind: ApiKind) -> Json:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    base = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    paths: Json = {base: {"get": _operation(kind, "list", False), "post": _operation(kind, "post", True)}}
    paths[f"{base}/{{name}}"] = {
        "get": _operation(kind, "get", False),
        "put": _operation(kind, "put", True),
        "patch": _operation(kind, "patch", True),
        "delete": _operation(kind, "delete", False),
    }
    if kind.namespaced:
        paths[f"{root}/{kind.plural}"] = {"get": _operation(kind, "list", False)}
    return paths


class OpenApiDocuments:
    """The documents for what is served at the moment."""

    def __init__(self, registry: KindRegistry, types: ApiTypes) -> None:
        self._registry = registry
        self._types = types

    def get(self, path: str) -> Json | None:
        parts = path.strip("/").split("/")
        if parts[1:] == ["v2"]:
            return self._v2()
        if parts[1:] == ["v3"]:
            return self._index()
        if parts[1:3] == ["v3", "api"] and len(parts) == 4:
            return self._v3("", parts[3])
        if parts[1:3] == ["v3", "apis"] and len(parts) == 5:
            return self._v3(parts[3], parts[4])
        return None

    def _index(self) -> Json:
        versions = dict.fromkeys((kind.group, kind.version) for kind in self._registry.all())
        paths = [f"apis/{group}/{version}" if group else f"api/{version}" for group, version in versions]
        return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}}

    def _v3(self, group: str, version: str) -> Json | None:
        kinds = [kind for kind in self._registry.all() if (kind.group, kind.version) == (group, version)]
        if not kinds:
            return None
        schemas: Json = {}
        for kind in kinds:
            schemas |= self._schemas(kind)
        schemas[_META] = _object_meta()
        paths: Json = {}
        for kind in kinds:
            paths |= _paths(kind)
        info = {"title": "Kubernetes", "version": GIT_VERSION}
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}

    def _schemas(self, kind: ApiKind) -> Json:
        """The schema of a kind and those that it refers to."""
        message = None if kind.schema else self._types.message(kind.group, kind.kind)
        if message is None:
            return {_schema_name(kind): _component(kind, _REFERENCE)}
        schemas = {name: self._types.schema(name, _REFERENCE) for name in self._types.reachable(message)}
        main = schemas.pop(message)
        main["properties"] |= {"apiVersion": _API_VERSION, "kind": _KIND, "metadata": _metadata(_REFERENCE)}
        description = f"{kind.kind} of {kind.api_version}."
        return {**schemas, _schema_name(kind): {**main, "description": description, _GVK: [_gvk(kind)]}}

    def _v2(self) -> Json:
        """The one OpenAPI v2 document."""
        definitions: Json = {_META: openapi_v2.schema(_object_meta())}
        paths: Json = {}
        for kind in self._registry.all():
            definitions |= {name: openapi_v2.schema(item) for name, item in self._schemas(kind).items()}
            paths |= {path: openapi_v2.path(item) for path, item in _paths(kind).items()}
        info = {"title": "Kubernetes", "version": GIT_VERSION}
        return {"swagger": "2.0", "info": info, "paths": paths, "definitions": definitions}
