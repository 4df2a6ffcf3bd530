"""The kinds of the Kubernetes API that mcptasks talks to, and their paths."""

from __future__ import annotations

from dataclasses import dataclass

from mcptasks.model.base import GROUP, VERSION


def is_path_segment(text: str) -> bool:
    """Whether the text can be a name or a namespace in a path, and nothing else.

    An empty one or a dot makes the path of an object that of its collection, and a DELETE one of all objects.
    """
    return text not in ("", ".", "..") and not any(character in text for character in "/\\%?#")


@dataclass(frozen=True)
class Resource:
    """A kind as the API server addresses it."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, of one object, or of one of its subresources.

        Raises ValueError for a name or a namespace that would make it the path of something else.
        """
        for part in (namespace if self.namespaced else None, name, subresource):
            if part is not None and not is_path_segment(part):
                raise ValueError(f"{part!r} cannot be in a path of {self.plural}")
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/" + "/".join(parts)


MCP_TASKS = Resource(GROUP, VERSION, "mcptasks")
MCP_TASK_TEMPLATES = Resource(GROUP, VERSION, "mcptasktemplates")
JOBS = Resource("batch", "v1", "jobs")
PODS = Resource("", "v1", "pods")
CONFIG_MAPS = Resource("", "v1", "configmaps")
EVENTS = Resource("", "v1", "events")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
LEASES = Resource("coordination.k8s.io", "v1", "leases")
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)
