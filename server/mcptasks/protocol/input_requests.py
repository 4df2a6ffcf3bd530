"""What a running task may ask its client, and what counts as an answer, in all protocol versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitationCapability,
    ElicitResult,
    FormElicitationCapability,
    ListRootsResult,
    MissingRequiredClientCapabilityErrorData,
    RootsCapability,
    SamplingCapability,
    SamplingToolsCapability,
    UrlElicitationCapability,
)
from pydantic import TypeAdapter, ValidationError

from mcptasks.model.base import JsonObject
from mcptasks.model.elicitation_form import misfit, without_left_out
from mcptasks.model.questions import ELICIT, MAX_ANSWER_BYTES
from mcptasks.model.task import InputRequest

SAMPLE = "sampling/createMessage"
LIST_ROOTS = "roots/list"

_RESULTS: dict[str, TypeAdapter[Any]] = {
    ELICIT: TypeAdapter(ElicitResult),
    SAMPLE: TypeAdapter(CreateMessageResult | CreateMessageResultWithTools),
    LIST_ROOTS: TypeAdapter(ListRootsResult),
}

INPUT_METHODS = frozenset(_RESULTS)
"""Methods that a task may ask with."""


def summary(method: str, params: Mapping[str, Any]) -> str:
    """What is being asked, for people."""
    if method == ELICIT:
        text = str(params.get("message") or "some input")
        return f"{text} ({params['url']})" if params.get("mode") == "url" and "url" in params else text
    return "an answer of the client's model" if method == SAMPLE else "the client's roots"


def missing_capability(
    declared: ClientCapabilities | None, method: str, params: Mapping[str, Any]
) -> ClientCapabilities | None:
    """What a client would have to declare to be asked this; None where it has declared it."""
    if method == ELICIT:
        return _missing_elicitation(declared, params.get("mode", "form") == "url")
    if method == SAMPLE:
        wants_tools = bool(params.get("tools") or params.get("toolChoice"))
        sampling = declared.sampling if declared else None
        if sampling is not None and (sampling.tools is not None or not wants_tools):
            return None
        return ClientCapabilities(
            sampling=SamplingCapability(tools=SamplingToolsCapability()) if wants_tools else SamplingCapability()
        )
    return None if declared and declared.roots is not None else ClientCapabilities(roots=RootsCapability())


def _missing_elicitation(declared: ClientCapabilities | None, url: bool) -> ClientCapabilities | None:
    elicitation = declared.elicitation if declared else None
    if elicitation is not None and (
        elicitation.url is not None if url else elicitation.form is not None or elicitation.url is None
    ):
        return None
    wanted = (
        ElicitationCapability(url=UrlElicitationCapability())
        if url
        else ElicitationCapability(form=FormElicitationCapability())
    )
    return ClientCapabilities(elicitation=wanted)


def require_capability(declared: ClientCapabilities | None, method: str, params: Mapping[str, Any]) -> None:
    """Raises MCPError where the client has not declared that it can be asked this."""
    missing = missing_capability(declared, method, params)
    if missing is None:
        return
    data = MissingRequiredClientCapabilityErrorData(required_capabilities=missing)
    kind = next(iter(missing.model_dump(exclude_none=True)))
    raise MCPError(
        code=MISSING_REQUIRED_CLIENT_CAPABILITY,
        message=f"The tool needs to ask the client ({method}), and the client did not declare {kind}",
        data=data.model_dump(by_alias=True, mode="json", exclude_none=True),
    )


def params_of(request: InputRequest) -> JsonObject:
    """Params of the request; none where they are no JSON object, as only somebody else than a tool makes them."""
    try:
        params = json.loads(request.params_text)
    except (ValueError, RecursionError):
        return {}
    return params if isinstance(params, dict) else {}


def answer_text(request: InputRequest, value: object) -> str:
    """An answer as JSON text. Raises MCPError where it does not answer this request."""
    text = _text(value)
    size = len(text.encode("utf-8", "surrogatepass"))
    # First of all: what comes after this may take its time with a long text.
    if size > MAX_ANSWER_BYTES:
        raise _invalid(request, f"it is {size} bytes of JSON, the limit is {MAX_ANSWER_BYTES}")
    adapter = _RESULTS.get(request.method)
    try:
        result = None if adapter is None else adapter.validate_python(value, by_name=False)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in found["loc"])
        raise _invalid(request, f"{where}: {found['msg']}" if where else str(found["msg"])) from error
    if isinstance(result, ElicitResult) and result.action == "accept" and isinstance(value, dict):
        kept = _filled_in(request, result.content)
        return text if kept == result.content else _text({**value, "content": kept})
    return text


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _filled_in(request: InputRequest, content: dict[str, Any] | None) -> dict[str, Any] | None:
    """The content without what was left out. Raises MCPError where the request is a form that it does not fit."""
    params = params_of(request)
    if params.get("mode", "form") != "form":
        return content
    if content is None:
        raise _invalid(request, "an accepted form has content")
    schema = params.get("requestedSchema")
    if not isinstance(schema, dict):
        return content
    if (why := misfit(schema, content)) is not None:
        raise _invalid(request, why)
    return without_left_out(schema, content)


def _invalid(request: InputRequest, why: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=f"Invalid answer to {request.key} ({request.method}): {why}")
