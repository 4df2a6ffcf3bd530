"""The kubeconfig of the cluster's admin."""

from __future__ import annotations

import base64

from mcptasks_embedded.values.json_object import Json


def kubeconfig(url: str, ca: bytes, token: str) -> Json:
    """A kubeconfig for the API server at `url`; `ca` is its authority's certificate in PEM."""
    authority = base64.b64encode(ca).decode()
    name = "mcptasks-local"
    context = {"cluster": name, "user": "admin", "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
    }
