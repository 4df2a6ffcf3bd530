"""What every write goes through: defaults, unknown fields, validation, size."""

from __future__ import annotations

from mcptasks_embedded.kinds.api_types import ApiTypes
from mcptasks_embedded.kinds.builtin_strategies import builtin_strategies
from mcptasks_embedded.kinds.crd_strategy import crd_strategy
from mcptasks_embedded.kinds.schema_validation import Rules, SchemaValidation
from mcptasks_embedded.kinds.strategy import Strategy
from mcptasks_embedded.kinds.structural_schema import prune, with_defaults
from mcptasks_embedded.objects import object_meta
from mcptasks_embedded.objects.options import WriteOptions
from mcptasks_embedded.values import errors, json_values
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import CRDS

OBJECT_LIMIT = 1_572_864
_NO_STRATEGY = Strategy()


class WriteRules:
    """Applies the rules of kinds to their objects. `rules` are the equivalents of the CRDs' validation rules."""

    def __init__(self, types: ApiTypes, rules: Rules) -> None:
        self._types = types
        self._rules = rules
        self._strategies = {**builtin_strategies(), CRDS: crd_strategy(rules)}

    def _strategy(self, kind: ApiKind) -> Strategy:
        return self._strategies.get(kind.storage, _NO_STRATEGY)

    def prepare(self, kind: ApiKind, obj: Json) -> None:
        """Complete a new object in place, as its kind demands."""
        self._strategy(kind).prepare(obj)

    def complete(self, kind: ApiKind, obj: Json, old: Json | None, unknown: list[str], options: WriteOptions) -> Json:
        """The object to store: pruned, with defaults, and valid. `old` is None on create.

        Paths of unknown fields are added to `unknown`. Raises ApiError 400 for unknown fields and wrong types, 422 for
        invalid values, 500 for an object that is too large.
        """
        strategy = self._strategy(kind)
        strategy.normalise(obj)
        obj = self._known_fields(kind, obj, unknown)
        _report_unknown(kind, unknown, options)
        found = object_meta.metadata_errors(obj["metadata"], kind, old["metadata"] if old else None)
        found += strategy.validate(obj, old)
        if kind.schema is not None:
            found += SchemaValidation(self._rules).run(obj, old, kind.schema)
        if found:
            raise errors.invalid(kind, obj["metadata"].get("name", ""), found)
        if len(json_values.dumps(obj)) > OBJECT_LIMIT:
            raise ApiError(500, "", "etcdserver: request is too large")
        return obj

    def _known_fields(self, kind: ApiKind, obj: Json, unknown: list[str]) -> Json:
        if kind.schema is not None:
            known: Json = with_defaults(prune(obj, kind.schema, unknown), kind.schema)
            return known
        message = self._types.message(kind.group, kind.kind)
        if message is None:
            return obj
        try:
            return self._types.clean(obj, message, unknown)
        except ApiError as error:
            raise errors.bad_request(f"{_cannot_be_handled(kind)}: {error.message}") from None


def _report_unknown(kind: ApiKind, unknown: list[str], options: WriteOptions) -> None:
    if not unknown or options.field_validation == "Ignore":
        return
    texts = [f'unknown field "{path}"' for path in unknown]
    if options.field_validation == "Warn":
        options.warnings += texts
        return
    raise errors.bad_request(f"{_cannot_be_handled(kind)}: strict decoding error: {', '.join(texts)}")


def _cannot_be_handled(kind: ApiKind) -> str:
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
