"""Where objects are: a resource of a group, and one object of it."""

from __future__ import annotations

from typing import NamedTuple


class GroupResource(NamedTuple):
    """Where objects are stored: versions of one resource share it."""

    group: str
    plural: str


class Ref(NamedTuple):
    """One object's place in the store; `namespace` is empty for cluster-scoped objects."""

    resource: GroupResource
    namespace: str
    name: str


#: The API group of roles and bindings.
RBAC_GROUP = "rbac.authorization.k8s.io"

CRDS = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")
EVENTS = GroupResource("", "events")
JOBS = GroupResource("batch", "jobs")
LEASES = GroupResource("coordination.k8s.io", "leases")
NAMESPACES = GroupResource("", "namespaces")
NODES = GroupResource("", "nodes")
PODS = GroupResource("", "pods")
QUOTAS = GroupResource("", "resourcequotas")
SERVICE_ACCOUNTS = GroupResource("", "serviceaccounts")
