"""Tokens, their review, and RBAC."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.contract.cleanup import Space
from tests.contract.client import Api, Json
from tests.contract.jobs import job, pods_of
from tests.support.polling import eventually

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def account(api: Api, space: Space, name: str = "robot") -> Json:
    made: Json = api.post(space.path("serviceaccounts"), {"metadata": {"name": name}}).ok(201)
    return made


def token(api: Api, space: Space, name: str, **spec: Any) -> str:
    reply = api.post(space.path("serviceaccounts", name, "token"), {"spec": spec}).ok(201)
    return str(reply["status"]["token"])


def review(api: Api, text: str, *audiences: str) -> Json:
    spec = {"token": text, **({"audiences": list(audiences)} if audiences else {})}
    status: Json = api.post(REVIEWS, {"spec": spec}).ok(201)["status"]
    return status


def test_token_review(api: Api, space: Space) -> None:
    made = account(api, space)
    text = token(api, space, "robot", audiences=["gateway"], expirationSeconds=600)
    status = review(api, text, "gateway", "other")
    assert status["authenticated"] is True
    assert status["audiences"] == ["gateway"]
    user = status["user"]
    assert user["username"] == f"system:serviceaccount:{space.name}:robot"
    assert user["uid"] == made["metadata"]["uid"]
    groups = {"system:serviceaccounts", f"system:serviceaccounts:{space.name}", "system:authenticated"}
    assert set(user["groups"]) == groups


def test_token_of_another_audience(api: Api, space: Space) -> None:
    account(api, space)
    text = token(api, space, "robot", audiences=["gateway"])
    for audiences in (["other"], []):
        status = review(api, text, *audiences)
        assert not status.get("authenticated")
        assert "invalid for the target audiences" in status["error"]
    assert api.get("/api", token=text).code == 401


def test_nonsense_tokens(api: Api) -> None:
    assert not review(api, "nonsense").get("authenticated")
    assert api.get("/api/v1/namespaces/default/pods", token="nonsense").code == 401


def test_short_tokens_are_refused(api: Api, space: Space) -> None:
    account(api, space)
    reply = api.post(space.path("serviceaccounts", "robot", "token"), {"spec": {"expirationSeconds": 5}})
    assert reply.code == 422
    assert "may not specify a duration less than 10 minutes" in reply.message


def test_token_claims(api: Api, space: Space) -> None:
    account(api, space)
    text = token(api, space, "robot", audiences=["gateway"], expirationSeconds=700)
    part = text.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["aud"] == ["gateway"]
    assert claims["exp"] - claims["iat"] == 700
    assert claims["sub"] == f"system:serviceaccount:{space.name}:robot"
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "robot"


def test_bound_to_a_pod(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", "exec sleep 60", image)).ok(201)
    [pod] = eventually("the Job has a Pod", lambda: pods_of(api, space, "a"))
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    bound = {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid}
    text = token(api, space, "default", audiences=["gateway"], boundObjectRef=bound)
    extra = review(api, text, "gateway")["user"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == [name]
    assert extra["authentication.kubernetes.io/pod-uid"] == [uid]
    wrong = {**bound, "uid": "00000000-0000-0000-0000-000000000000"}
    path = space.path("serviceaccounts", "default", "token")
    assert api.post(path, {"spec": {"boundObjectRef": wrong}}).code == 409
    api.delete(space.jobs("a"), {"propagationPolicy": "Background"}).ok()
    eventually("the Pod is gone", lambda: api.get(space.path("pods", name)).code == 404)
    # The API server remembers a token that it accepted for some seconds.
    eventually("its token counts no more", lambda: not review(api, text, "gateway").get("authenticated"))


def test_rbac(api: Api, space: Space) -> None:
    account(api, space)
    text = token(api, space, "robot")
    refused = api.get(space.path("configmaps"), token=text)
    user = f"system:serviceaccount:{space.name}:robot"
    assert (refused.code, refused.reason) == (403, "Forbidden")
    assert refused.message == (
        f'configmaps is forbidden: User "{user}" cannot list resource "configmaps" in API group "" '
        f'in the namespace "{space.name}"'
    )
    rbac = "rbac.authorization.k8s.io/v1"
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "get"], "resourceNames": ["one"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]},
        {"apiGroups": ["batch"], "resources": ["jobs/status"], "verbs": ["get"]},
    ]
    api.post(space.path("roles", group=rbac), {"metadata": {"name": "r"}, "rules": rules}).ok(201)
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": space.name}
    binding = {"metadata": {"name": "b"}, "subjects": [subject], "roleRef": {"kind": "Role", "name": "r"}}
    binding["roleRef"]["apiGroup"] = "rbac.authorization.k8s.io"  # type: ignore[index]
    api.post(space.path("rolebindings", group=rbac), binding).ok(201)
    eventually("the token may list Jobs", lambda: api.get(space.jobs(), token=text).code == 200)
    assert api.get(space.path("configmaps", "one"), token=text).code == 404
    assert api.get(space.path("configmaps", "two"), token=text).code == 403
    lists = {"metadata.name=one": 200, "metadata.name==one": 200, "metadata.name=two": 403, "metadata.name!=one": 403}
    for selector, code in lists.items():
        assert api.get(space.path("configmaps"), token=text, fieldSelector=selector).code == code, selector
    assert api.patch(space.jobs("x", "status"), {}, token=text).code == 403
    assert api.get("/apis/batch/v1/jobs", token=text).code == 403
    refused = api.delete(space.path("configmaps", "two"), token=text)
    assert refused.message == (
        f'configmaps "two" is forbidden: User "{user}" cannot delete resource "configmaps" in API group "" '
        f'in the namespace "{space.name}"'
    )


def test_access_reviews(api: Api, space: Space) -> None:
    account(api, space)
    text = token(api, space, "robot")
    attributes = {"verb": "get", "resource": "pods", "namespace": space.name}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    mine = api.post(path, {"spec": {"resourceAttributes": attributes}}, token=text).ok(201)
    assert mine["status"]["allowed"] is False
    assert api.post(path, {"spec": {"resourceAttributes": attributes}}).ok(201)["status"]["allowed"] is True
    who = api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=text).ok(201)
    assert who["status"]["userInfo"]["username"] == f"system:serviceaccount:{space.name}:robot"


def test_missing_service_account(api: Api, space: Space) -> None:
    body = {
        "metadata": {"name": "p"},
        "spec": {"serviceAccountName": "nobody", "containers": [{"name": "c", "image": "x"}]},
    }
    reply = api.post(space.path("pods"), body)
    assert reply.code == 403
    why = f'error looking up service account {space.name}/nobody: serviceaccount "nobody" not found'
    expected = f'pods "p" is forbidden: {why}'
    assert reply.message == expected
