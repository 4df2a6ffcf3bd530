"""The McpTask that a call becomes, before it is stored. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic.main import IncEx

from mcptasks.model import names
from mcptasks.model.base import API_VERSION, LABEL_CALL, LABEL_COMPONENT, LABEL_PRINCIPAL, LABEL_SERVER, JsonObject
from mcptasks.model.json_nesting import MAX_SPEC_LEVELS, nests_deeper
from mcptasks.model.task import DEFAULT_TEMPLATE, McpTaskSpec, TemplateRef
from mcptasks.settings import Settings
from mcptasks.tasks import idempotency
from mcptasks.tasks.calls import Call
from mcptasks.tasks.owners import owner_key
from mcptasks.tasks.service_errors import InvalidCallError

_BOUNDED: Mapping[str, IncEx | bool] = {
    "arguments": True,
    "arguments_text": True,
    "request": {"input_responses", "request_state"},
}
"""Parts of the spec that have a limit of their own."""

_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class TaskManifest:
    """Builds the objects of one server's tasks, within the bounds that its settings give."""

    settings: Settings
    namespace: str
    unasked_ttl_ms: int | None = None
    """The ttl of calls that ask for none, where it is not the settings' own."""

    def build(self, call: Call) -> JsonObject:
        """The object to store. Raises InvalidCallError where arguments, answers, ttl or key are out of bounds."""
        spec = self._spec(call)
        key = call.idempotency_key
        if key is not None:
            idempotency.check_key(key, call.principal, self.settings.single_user)
        return {
            "apiVersion": API_VERSION,
            "kind": "McpTask",
            "metadata": {
                "name": self._name(call),
                "namespace": self.namespace,
                "labels": self._labels(call),
            },
            # The arguments are put in as they came: a JSON null in them is a value, not an absent field.
            "spec": spec.dump() | {"arguments": call.arguments},
        }

    def _spec(self, call: Call) -> McpTaskSpec:
        config = call.config
        self._check_nesting(call)
        arguments_text = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
        self._check_sizes(call, arguments_text)
        spec = McpTaskSpec(
            server=self.settings.server_name,
            component=call.component,
            arguments=call.arguments,
            arguments_text=None if survives_api_server(call.arguments) else arguments_text,
            template_ref=TemplateRef(name=config.template or DEFAULT_TEMPLATE),
            ttl_ms=self._ttl_ms(call),
            timeout_seconds=config.timeout_seconds,
            input_timeout_seconds=self._input_timeout_seconds(call),
            retries=config.retries,
            idempotent=config.idempotent if config.idempotent is not None else call.idempotent_hint,
            max_concurrent=config.max_concurrent,
            max_running_per_caller=self.settings.max_running_tasks_per_caller or None,
            poll_interval_ms=config.poll_interval_ms,
            principal=call.principal,
            request=call.request,
            trace_context=call.trace_context,
            idempotency_key=None if call.idempotency_key is None else idempotency.digest(call.idempotency_key),
        )
        self._check_metadata(spec)
        return spec

    def _labels(self, call: Call) -> dict[str, str]:
        labels = {
            LABEL_SERVER: names.label_value(self.settings.server_name),
            LABEL_COMPONENT: names.label_value(call.component.name),
        }
        if call.principal is not None:
            labels[LABEL_PRINCIPAL] = names.label_value("\x00".join(owner_key(call.principal)))
        if call.call_id is not None:
            labels[LABEL_CALL] = call.call_id
        return labels

    def _name(self, call: Call) -> str:
        name, key = call.component.name, call.idempotency_key
        if key is None:
            return names.task_name(name)
        return names.keyed_task_name(name, *idempotency.parts(self.settings.server_name, call, key))

    def _check_nesting(self, call: Call) -> None:
        # Two levels are the spec's own and the request's.
        levels = MAX_SPEC_LEVELS - 2
        request = {} if call.request is None else dict(call.request)
        if nests_deeper(call.arguments, levels) or any(nests_deeper(part, levels) for part in request.values()):
            raise InvalidCallError(f"The call nests deeper than {levels} levels of JSON: pass a reference instead")

    def _check_sizes(self, call: Call, arguments_text: str) -> None:
        self._check_size("Arguments", arguments_text)
        if call.request is not None and call.request.input_responses is not None:
            rounds = {"answers": call.request.input_responses, "state": call.request.request_state}
            self._check_size("Answers", json.dumps(rounds, ensure_ascii=False))

    def _check_size(self, what: str, text: str) -> None:
        size, limit = len(text.encode()), self.settings.max_arguments_bytes
        if size > limit:
            raise InvalidCallError(f"{what} are {size} bytes of JSON, the limit is {limit}: pass a reference instead")

    def _check_metadata(self, spec: McpTaskSpec) -> None:
        """All else that the object keeps of the call, so that no part of it is without a limit."""
        text = spec.model_dump_json(by_alias=True, exclude_none=True, exclude=_BOUNDED)
        size, limit = len(text.encode()), self.settings.max_metadata_bytes
        if size > limit:
            raise InvalidCallError(
                f"What a task keeps of its call besides the arguments is {size} bytes of JSON, the limit is {limit}: "
                "send less in _meta, clientInfo, capabilities and headers"
            )

    def _input_timeout_seconds(self, call: Call) -> int | None:
        """How long the task may wait for answers; None for one that has no way to ask, whose run time is exact then."""
        asked = call.config.input_timeout_seconds
        seconds = self.settings.default_input_timeout_seconds if asked is None else asked
        return (seconds or None) if call.can_ask else None

    def _ttl_ms(self, call: Call) -> int:
        """The ttl that is agreed on: what the caller asks, within the server's bounds."""
        asked = call.ttl_ms if call.ttl_ms is not None else call.config.ttl_ms
        if asked is None:
            own = self.unasked_ttl_ms
            asked = self.settings.default_ttl_seconds * 1000 if own is None else own
        if asked < 0:
            raise InvalidCallError(f"Invalid ttl {asked}: use milliseconds from now, 0 or more")
        return min(asked, self.settings.max_ttl_seconds * 1000)


def survives_api_server(value: object) -> bool:
    """Whether a JSON value comes back from the API server as it went in.

    It keeps free JSON as 64-bit integers and doubles: larger integers lose digits, and a float without a fraction
    becomes an integer (seen on Kubernetes 1.36).
    """
    match value:
        case bool() | str() | None:
            return True
        case int():
            return value in _INT64
        case float():
            return not value.is_integer()
        case dict():
            return all(survives_api_server(item) for item in value.values())
        case list():
            return all(survives_api_server(item) for item in value)
        case _:
            return False
