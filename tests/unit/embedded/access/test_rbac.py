"""Evaluation of roles and bindings."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.access.rbac import Action, Authorizer, refusal, rule_allows
from mcptasks_embedded.access.users import User, service_account_user
from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.values.references import RBAC_GROUP, GroupResource, Ref

Json = dict[str, Any]

RULE: Json = {"apiGroups": ["batch"], "resources": ["jobs", "jobs/status"], "verbs": ["get", "list"]}


@pytest.mark.parametrize(
    ("rule", "action", "allowed"),
    [
        (RULE, Action("get", "batch", "jobs"), True),
        (RULE, Action("get", "batch", "jobs", "status"), True),
        (RULE, Action("get", "batch", "jobs", "log"), False),
        (RULE, Action("delete", "batch", "jobs"), False),
        (RULE, Action("get", "", "jobs"), False),
        ({**RULE, "resourceNames": ["a"]}, Action("get", "batch", "jobs", name="a"), True),
        ({**RULE, "resourceNames": ["a"]}, Action("get", "batch", "jobs", name="b"), False),
        ({**RULE, "resourceNames": ["a"]}, Action("list", "batch", "jobs"), False),
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, Action("x", "y", "z", "w"), True),
        ({"apiGroups": [""], "resources": ["*/log"], "verbs": ["get"]}, Action("get", "", "pods", "log"), True),
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, Action("get", "", "pods", "log"), False),
        ({"nonResourceURLs": ["/metrics*"], "verbs": ["get"]}, Action("get", path="/metrics/x"), True),
        ({"nonResourceURLs": ["/metrics"], "verbs": ["get"]}, Action("get", path="/other"), False),
        ({}, Action("get", "", "pods"), False),
    ],
)
def test_rules(rule: Json, action: Action, allowed: bool) -> None:
    assert rule_allows(rule, action) is allowed


def put(store: ObjectStore, plural: str, namespace: str, name: str, **body: Any) -> None:
    metadata = {"name": name, "namespace": namespace, "uid": f"{plural}-{namespace}-{name}"}
    store.put(Ref(GroupResource(RBAC_GROUP, plural), namespace, name), {"metadata": metadata, **body})


@pytest.fixture
def authorizer() -> Authorizer:
    store = ObjectStore()
    robot = {"kind": "ServiceAccount", "name": "robot", "namespace": "ns"}
    put(store, "roles", "ns", "r", rules=[RULE])
    put(store, "rolebindings", "ns", "b", subjects=[robot], roleRef={"kind": "Role", "name": "r"})
    put(store, "clusterroles", "", "c", rules=[{"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["get"]}])
    group = {"kind": "Group", "name": "system:serviceaccounts:ns"}
    put(store, "clusterrolebindings", "", "cb", subjects=[group], roleRef={"kind": "ClusterRole", "name": "c"})
    user = {"kind": "User", "name": "ann"}
    put(store, "rolebindings", "other", "u", subjects=[user], roleRef={"kind": "ClusterRole", "name": "c"})
    put(store, "rolebindings", "other", "dangling", subjects=[user], roleRef={"kind": "Role", "name": "none"})
    return Authorizer(store)


ROBOT = service_account_user("system:serviceaccount:ns:robot")
ANN = User("ann", groups=("system:authenticated",))


@pytest.mark.parametrize(
    ("user", "action", "allowed"),
    [
        (ROBOT, Action("get", "batch", "jobs", namespace="ns"), True),
        (ROBOT, Action("get", "batch", "jobs", namespace="other"), False),
        (ROBOT, Action("get", "batch", "jobs"), False),
        (ROBOT, Action("get", "", "nodes"), True),
        (ANN, Action("get", "", "pods", namespace="other"), True),
        (ANN, Action("get", "", "pods", namespace="ns"), False),
        (ANN, Action("get", path="/apis/batch"), True),
        (ANN, Action("get", path="/metrics"), False),
        (ANN, Action("create", "authorization.k8s.io", "selfsubjectaccessreviews"), True),
        (User("root", groups=("system:masters",)), Action("anything", "x", "y"), True),
    ],
)
def test_bindings(authorizer: Authorizer, user: User, action: Action, allowed: bool) -> None:
    assert authorizer.allows(user, action) is allowed


def test_words_of_a_refusal() -> None:
    action = Action("list", "batch", "jobs", "status", "ns")
    assert refusal(ANN, action) == (
        'User "ann" cannot list resource "jobs/status" in API group "batch" in the namespace "ns"'
    )
    assert refusal(ANN, Action("get", "", "nodes")).endswith("at the cluster scope")
