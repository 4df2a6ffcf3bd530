"""Where a cluster is and how to authenticate: kubeconfig files, contexts, exec plugins and service accounts.

The `kubernetes` package reads them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config.kube_config import KubeConfigMerger

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeConfigError

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class ClusterAccess:
    """How to reach a cluster: a kubeconfig file and context, or the Pod's own service account where both are unset."""

    kubeconfig: Path | None = None
    context: str | None = None

    async def connect(self, user_agent: str = "mcptasks") -> KubeClient:
        """A client for the cluster; nothing is sent yet. Raises KubeConfigError."""
        return KubeClient(await self.configuration(), user_agent)

    async def configuration(self) -> Configuration:
        """Load the configuration.

        Raises:
            KubeConfigError: the file is missing, unreadable or names no such context.
        """
        configuration = Configuration()
        if self.kubeconfig is None and self.context is None and await self._in_cluster(configuration):
            return configuration
        path = self.kubeconfig
        if path is not None and not path.is_file():
            raise KubeConfigError(f"kubeconfig {path} does not exist; give an existing file with --kubeconfig")
        try:
            await kube_config.load_kube_config(
                config_file=_files(path),
                context=self.context or _first_current_context(_files(path)),
                client_configuration=configuration,
                persist_config=False,
            )
        except (kube_config.ConfigException, yaml.YAMLError, OSError, AttributeError, TypeError, ValueError) as error:
            where = path or "the default kubeconfig (KUBECONFIG or ~/.kube/config)"
            raise KubeConfigError(
                f"cannot use {where}: {error}; give a file with --kubeconfig and a context with --context"
            ) from error
        return configuration

    @staticmethod
    async def _in_cluster(configuration: Configuration) -> bool:
        try:
            kube_config.load_incluster_config(client_configuration=configuration)
        except kube_config.ConfigException:
            return False
        return True

    def context_name(self) -> str | None:
        """The context of the kubeconfig; None where there is none, as in a Pod with a service account."""
        if self.kubeconfig is None and self.context is None and _POD_NAMESPACE.is_file():
            return None
        name = (_context(self.kubeconfig, self.context) or {}).get("name")
        return str(name) if name else None

    def context_names(self) -> list[str]:
        """All contexts of the kubeconfig; none where it cannot be read."""
        return [str(each["name"]) for each in _contexts(self.kubeconfig)[0]]

    def namespace(self) -> str:
        """The namespace of the kubeconfig's context, of the Pod, or `default`."""
        if self.kubeconfig is None and self.context is None and _POD_NAMESPACE.is_file():
            return _POD_NAMESPACE.read_text().strip()
        namespace = ((_context(self.kubeconfig, self.context) or {}).get("context") or {}).get("namespace")
        return str(namespace) if namespace else "default"


def _context(path: Path | None, context: str | None) -> dict[str, Any] | None:
    """The context of that name, or the current one, as the kubeconfig has it."""
    contexts, current = _contexts(path)
    return next((c for c in contexts if c["name"] == context), None) if context else current


def _contexts(path: Path | None) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """All contexts of the kubeconfig and the current one; none where it cannot be read."""
    files = _files(path)
    try:
        merged = KubeConfigMerger(files).config
        if merged is None:
            return [], None
        contexts = [each.value for each in merged["contexts"] if "name" in each]
        current = _first_current_context(files) or merged.safe_get("current-context")
    except (kube_config.ConfigException, yaml.YAMLError, OSError, AttributeError, TypeError, ValueError):
        return [], None
    return contexts, next((each for each in contexts if each["name"] == current), None)


def _files(path: Path | None) -> str:
    """The kubeconfig, or the default ones: KUBECONFIG, which may name several, and is unset where it is empty."""
    return str(path or os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")


def _first_current_context(files: str) -> str | None:
    """The current context of several files as kubectl has it: that of the first one that names any.

    The `kubernetes` package takes that of the last one. None for a single file, which it reads right.
    """
    parts = [part for part in files.split(os.pathsep) if part]
    return next(filter(None, map(_current_context, parts)), None) if len(parts) > 1 else None


def _current_context(file: str) -> str | None:
    try:
        loaded = yaml.safe_load(Path(os.path.expanduser(file)).read_bytes())
    except (yaml.YAMLError, OSError, ValueError):
        return None
    return str(loaded.get("current-context") or "") or None if isinstance(loaded, dict) else None
