"""The kubeconfig of the cluster's admin."""

from __future__ import annotations

from pathlib import Path

from mcptasks_embedded.values.json_object import Json


def kubeconfig(url: str, authority: Path, token: str) -> Json:
    """A kubeconfig for the API server at `url`; `authority` has its authority's certificate in PEM.

    A file, and not its data: clients would write that into a file of their own, which stays where they are killed.
    """
    name = "mcptasks-local"
    context = {"cluster": name, "user": "admin", "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
    }
