"""Requests that store nothing: token reviews and requests, access reviews, evictions."""

from __future__ import annotations

from mcptasks_embedded.access.rbac import Action, Authorizer
from mcptasks_embedded.access.tokens import ISSUER, TokenError, Tokens
from mcptasks_embedded.access.users import User, service_account_user
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import DeleteOptions, Patch, WriteOptions
from mcptasks_embedded.values import errors, times
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json

_DEFAULT_SECONDS = 3600
_LEAST_SECONDS = 600
EVICTION_MESSAGE = "Eviction API: evicting"


class Reviews:
    """Answers the create-only kinds and the subresources `token` and `eviction`."""

    def __init__(self, objects: Objects, tokens: Tokens, authorizer: Authorizer) -> None:
        self._objects = objects
        self._tokens = tokens
        self._authorizer = authorizer

    def review(self, kind: ApiKind, user: User, body: Json) -> Json:
        answers = {
            "TokenReview": self._token_review,
            "SelfSubjectReview": lambda user, spec: {"userInfo": user.info()},
            "SelfSubjectAccessReview": self._access,
            "SubjectAccessReview": self._subject_access,
            "SelfSubjectRulesReview": self._rules,
        }
        spec = body.get("spec") or {}
        status = answers[kind.kind](user, spec)
        metadata = {"creationTimestamp": None, **(body.get("metadata") or {})}
        answer = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        if kind.kind != "SelfSubjectReview":
            answer["spec"] = spec
        return {**answer, "status": status}

    def _token_review(self, user: User, spec: Json) -> Json:
        token = spec.get("token")
        if not token:
            raise errors.bad_request("token is required for TokenReview in authentication")
        audiences = spec.get("audiences") or [ISSUER]
        try:
            verified = self._tokens.verify(token, audiences)
        except TokenError as error:
            return {"user": {}, "error": f"[invalid bearer token, {error}]"}
        return {"authenticated": True, "user": verified.user.info(), "audiences": list(verified.audiences)}

    def _access(self, user: User, spec: Json) -> Json:
        allowed = self._authorizer.allows(user, _action(spec))
        return {"allowed": True} if allowed else {"allowed": False}

    def _subject_access(self, user: User, spec: Json) -> Json:
        name = spec.get("user", "")
        subject = service_account_user(name, tuple(spec.get("groups") or ()), spec.get("uid", ""))
        return self._access(subject, spec)

    def _rules(self, user: User, spec: Json) -> Json:
        if "system:masters" in user.groups:
            everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            paths = {"verbs": ["*"], "nonResourceURLs": ["*"]}
            return {"resourceRules": [everything], "nonResourceRules": [paths], "incomplete": False}
        rules = list(self._authorizer.rules_for(user, spec.get("namespace") or "default"))
        return {
            "resourceRules": [rule for rule in rules if rule.get("resources")],
            "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
            "incomplete": False,
        }

    def token_request(self, namespace: str, name: str, body: Json) -> Json:
        """`serviceaccounts/token`. Raises ApiError 404, 422."""
        objects = self._objects
        kind = objects.kind("v1", "ServiceAccount")
        account = objects.get(kind, namespace, name).obj
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds") or _DEFAULT_SECONDS
        if seconds < _LEAST_SECONDS:
            detail = "may not specify a duration less than 10 minutes"
            found = errors.invalid_value("spec.expirationSeconds", seconds, detail)
            where = ApiKind("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests")
            raise errors.invalid(where, name, [found])
        pod = self._bound_pod(namespace, spec.get("boundObjectRef"))
        issued = self._tokens.issue(account, spec.get("audiences") or (), seconds, pod)
        spec = {"audiences": [ISSUER], **spec, "expirationSeconds": seconds}
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": times.stamp()},
            "spec": spec,
            "status": {"token": issued.token, "expirationTimestamp": issued.expires_text},
        }

    def _bound_pod(self, namespace: str, reference: Json | None) -> Json | None:
        if not reference:
            return None
        if reference.get("kind") != "Pod":
            raise errors.bad_request("only tokens bound to a Pod are supported")
        kind = self._objects.kind("v1", "Pod")
        pod = self._objects.get(kind, namespace, reference["name"]).obj
        uid = reference.get("uid")
        if uid and uid != pod["metadata"]["uid"]:
            why = f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            why += "The object might have been deleted and then recreated"
            raise errors.conflict(kind, reference["name"], why)
        return pod

    def evict(self, namespace: str, name: str, body: Json) -> Json:
        """`pods/eviction`: the Pod gets a DisruptionTarget condition and is deleted gracefully."""
        objects = self._objects
        kind = objects.kind("v1", "Pod")
        entry = objects.get(kind, namespace, name)
        asked = body.get("deleteOptions") or {}
        preconditions = asked.get("preconditions") or {}
        options = DeleteOptions(grace=asked.get("gracePeriodSeconds"), uid=preconditions.get("uid"))
        if asked.get("dryRun"):
            return _evicted()
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": EVICTION_MESSAGE,
            "lastTransitionTime": times.stamp(),
        }
        change = Patch("strategic", {"status": {"conditions": [condition]}})
        objects.patch(kind, entry.ref, change, "status", WriteOptions())
        objects.delete(kind, namespace, name, options)
        return _evicted()


def _evicted() -> Json:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _action(spec: Json) -> Action:
    if path := spec.get("nonResourceAttributes"):
        return Action(path.get("verb", ""), path=path.get("path", ""))
    wanted = spec.get("resourceAttributes") or {}
    return Action(
        verb=wanted.get("verb", ""),
        group=wanted.get("group", ""),
        resource=wanted.get("resource", ""),
        subresource=wanted.get("subresource", ""),
        namespace=wanted.get("namespace", ""),
        name=wanted.get("name", ""),
    )
