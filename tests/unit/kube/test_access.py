"""What a kubeconfig that cannot be used says, and which namespace one names."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.errors import KubeConfigError

CONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://example.test:6443"}}]
users: [{name: u, user: {token: t}}]
contexts:
  - {name: one, context: {cluster: c, user: u, namespace: first}}
  - {name: two, context: {cluster: c, user: u}}
current-context: one
"""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize(("context", "namespace"), [(None, "first"), ("one", "first"), ("two", "default")])
def test_the_context_names_the_namespace(kubeconfig: Path, context: str | None, namespace: str) -> None:
    assert ClusterAccess(kubeconfig, context).namespace() == namespace


@pytest.mark.anyio
async def test_a_client_has_the_context_s_server(kubeconfig: Path) -> None:
    assert (await ClusterAccess(kubeconfig).connect()).host == "https://example.test:6443"


@pytest.mark.anyio
@pytest.mark.parametrize("content", [None, "", "{", "[]", "clusters: 1"])
async def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(KubeConfigError, match=f"{path}.* with --kubeconfig"):
        await ClusterAccess(path).configuration()
