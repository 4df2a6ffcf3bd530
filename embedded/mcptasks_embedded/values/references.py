"""What identifies stored objects: the resource they belong to, and one object of it."""

from __future__ import annotations

from typing import NamedTuple


class GroupResource(NamedTuple):
    """A resource, whatever its versions: they share one place in the store."""

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
