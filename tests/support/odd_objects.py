"""Tasks with values that the API server takes and nobody expects. Seen on Kubernetes 1.36, all of them."""

from __future__ import annotations

from typing import Any

from mcptasks.model.base import JsonObject


def nested(levels: int) -> list[Any]:
    """Lists within lists."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def _condition(stamp: str) -> JsonObject:
    return {"type": "Succeeded", "status": "True", "lastTransitionTime": stamp}


_TIMES = ("2026-01-01T00:00:00+99:99", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00")
_NO_OBJECTS: tuple[Any, ...] = (None, True, 7, 1.5, "x", [], [1], [{"a": 1}])

ODD_SPECS: dict[str, JsonObject] = {
    **{f"arguments {value!r}": {"arguments": value} for value in _NO_OBJECTS},
    **{
        f"request.{field} {value!r}": {"request": {field: value}}
        for field in ("meta", "clientInfo", "clientCapabilities", "inputResponses")
        for value in _NO_OBJECTS
    },
    **{f"principal.claims {value!r}": {"principal": {"claims": value}} for value in _NO_OBJECTS},
    "empty principal": {"principal": {}},
    "deep arguments": {"arguments": {"a": nested(900)}},
    "deep meta": {"request": {"meta": {"a": nested(900)}}},
    "deep claims": {"principal": {"claims": {"a": nested(900)}}},
    "progress token that is a list": {"request": {"meta": {"progressToken": [1]}}},
    "argumentsText that is no JSON": {"argumentsText": "{"},
    "template like a path": {"templateRef": {"name": "../x"}},
    "server of other letters": {"server": "Ünï/\u202e"},
    "name of control characters": {"component": {"kind": "tool", "name": "\x1b[2J\n\x00"}},
}

ODD_STATUSES: dict[str, JsonObject] = {
    **{
        f"{field} {stamp}": {"phase": "completed", field: stamp}
        for field in ("expiresAt", "finishedAt", "startedAt", "lastUpdatedAt", "inputSince")
        for stamp in _TIMES
    },
    **{f"retryAfter {stamp}": {"executor": "Warm", "retryAfter": stamp} for stamp in _TIMES},
    **{f"condition of {stamp}": {"conditions": [_condition(stamp)]} for stamp in _TIMES},
    **{
        f"question with params {text}": {
            "phase": "input_required",
            "inputRequests": [{"key": "1", "method": method, "paramsText": text}],
        }
        for text in ("{", "[1]", "7", "null", '{"mode":7,"message":[],"requestedSchema":[]}')
        for method in ("elicitation/create", "sampling/createMessage", "x")
    },
    **{
        f"error with data {text[:20]}": {"phase": "failed", "error": {"code": 2**62, "message": "", "dataText": text}}
        for text in ("{", "NaN", "[" * 9000, '"\\ud800"', "[1e999]")
    },
    "result that is no JSON": {"phase": "completed", "result": {"text": "{", "sizeBytes": 1}},
    "result of another kind": {"phase": "completed", "result": {"text": '{"messages":7}', "sizeBytes": 14}},
    "deep result": {"phase": "completed", "result": {"text": "[" * 9000, "sizeBytes": 9000}},
    "log that is not packed": {"log": {"gzip": "QUJD", "attempt": -1}},
    "log that is no Base64": {"log": {"gzip": "\u00fc"}},
    "claim of nobody": {"executor": "Warm", "podUid": "x", "attempts": 2**62},
    "empty result": {"phase": "completed", "result": {}},
    "empty ref": {"phase": "completed", "result": {"ref": ""}},
    "ref of something else": {"phase": "completed", "result": {"ref": "session:1", "sizeBytes": -(2**62)}},
    "unknown reason": {"phase": "failed", "reason": "\x1b[2J"},
    "question that is no JSON": {"inputRequests": [{"key": "", "method": "", "paramsText": "{"}]},
    "huge numbers": {"progress": {"current": 1e308, "total": -1e308}, "exitCode": 2**62, "attempts": 2**62},
}

ODD_METADATA: dict[str, JsonObject] = {
    "foreign labels": {"labels": {"mcptasks.dev/call": "", "mcptasks.dev/server": "", "mcptasks.dev/principal": "x"}},
    "foreign annotations": {"annotations": {"kopf.zalando.org/last-handled-configuration": "{", "a": "\x00"}},
    "foreign finalizers": {"finalizers": ["example.com/never"], "deletionTimestamp": "2000-01-01T00:00:01Z"},
    "foreign owners": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}]},
}

ODD_TASKS: dict[str, dict[str, JsonObject]] = {
    **{name: {"spec": part} for name, part in ODD_SPECS.items()},
    **{name: {"status": part} for name, part in ODD_STATUSES.items()},
    **{name: {"metadata": part} for name, part in ODD_METADATA.items()},
}
"""By what is odd about each: the parts of the object that are."""


def with_parts(item: JsonObject, parts: dict[str, JsonObject]) -> JsonObject:
    """The task's object with these parts in the place of its own."""
    return item | {name: {**(item.get(name) or {}), **part} for name, part in parts.items()}
