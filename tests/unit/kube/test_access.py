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


OTHER = (
    CONFIG.replace("example.test", "other.test").replace("{name: c,", "{name: d,").replace("cluster: c,", "cluster: d,")
)
WITHOUT_CURRENT = CONFIG.replace("current-context: one", 'current-context: ""')


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("files", "host", "context", "namespace"),
    [
        ((CONFIG, OTHER.replace("one", "three").replace("first", "third")), "example.test", "one", "first"),
        ((OTHER.replace("one", "three").replace("first", "third"), CONFIG), "other.test", "three", "third"),
        ((CONFIG, WITHOUT_CURRENT), "example.test", "one", "first"),
        ((WITHOUT_CURRENT, CONFIG), "example.test", "one", "first"),
        ((None, CONFIG), "example.test", "one", "first"),
        ((CONFIG, None), "example.test", "one", "first"),
    ],
)
async def test_of_several_files_the_first_one_that_says_it_has_the_current_context_as_for_kubectl(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: tuple[str | None, str | None],
    host: str,
    context: str,
    namespace: str,
) -> None:
    paths = [tmp_path / str(number) for number, _ in enumerate(files)]
    for path, content in zip(paths, files, strict=True):
        if content is not None:
            path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, paths)))
    access = ClusterAccess()
    assert (await access.configuration()).host == f"https://{host}:6443"
    assert (access.context_name(), access.namespace()) == (context, namespace)


@pytest.mark.anyio
async def test_an_empty_kubeconfig_variable_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(CONFIG)
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (await ClusterAccess().configuration()).host == "https://example.test:6443"
    assert ClusterAccess().context_names() == ["one", "two"]
