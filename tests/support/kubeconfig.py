"""How to reach the API server that a kubeconfig names, without a Kubernetes client."""

from __future__ import annotations

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2
import yaml


@dataclass(frozen=True)
class KubeconfigAccess:
    """URL of an API server, what its certificate is checked with, and the headers of every request."""

    url: str
    tls: ssl.SSLContext
    headers: dict[str, str]

    @classmethod
    def of(cls, kubeconfig: Path, *, anonymous: bool = False) -> Self:
        """That of the current context; `anonymous` leaves the user's credentials out."""
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = {} if anonymous else _named(config["users"], context["user"])["user"]
        data = cluster.get("certificate-authority-data")
        tls = ssl.create_default_context(
            cafile=cluster.get("certificate-authority"), cadata=data and base64.b64decode(data).decode()
        )
        if "client-certificate-data" in user:
            _load(tls, user["client-certificate-data"], user["client-key-data"])
        return cls(cluster["server"], tls, {"Authorization": f"Bearer {user['token']}"} if "token" in user else {})

    def client(self, seconds: float) -> httpx2.Client:
        """An HTTP client that waits that long for an answer."""
        return httpx2.Client(base_url=self.url, verify=self.tls, headers=self.headers, timeout=seconds, trust_env=False)


def _named(items: list[Any], name: str) -> Any:
    return next(item for item in items if item["name"] == name)


def _load(tls: ssl.SSLContext, certificate: str, key: str) -> None:
    """Python reads certificates from files only."""
    with tempfile.NamedTemporaryFile(prefix="mcptasks-client-") as pair:
        pair.write(b"\n".join(base64.b64decode(part) for part in (certificate, key)))
        pair.flush()
        tls.load_cert_chain(pair.name)
