"""The examples that are folders: each is served alone, as its page says that it is served on one machine."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcptasks.model.base import JsonObject
from tests.examples.gallery import shown_here
from tests.examples.packages import EXAMPLES, ExamplePackages, in_a_shell, installed
from tests.examples.repository import make_repository
from tests.integration.cli.background import running
from tests.support.kubectl import Kubectl


@dataclass(frozen=True)
class ServedExample:
    """Where one is served, and the folder that it works in."""

    url: str
    kubectl: Kubectl
    folder: Path
    ffmpeg: str

    @property
    def media(self) -> Path:
        return self.folder / "media"

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions"

    @property
    def repositories(self) -> Path:
        return self.folder / "clones"

    @property
    def zones(self) -> Path:
        return self.folder / "zones.db"


@pytest.fixture(scope="session")
def packages() -> ExamplePackages:
    return installed()


@pytest.fixture(scope="session")
def shell(packages: ExamplePackages, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return in_a_shell(packages, tmp_path_factory.mktemp("shell"))


@pytest.fixture(scope="module")
def served(
    request: pytest.FixtureRequest,
    packages: ExamplePackages,
    shell: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServedExample]:
    """The example that the module of tests is named after: the commands of its page, in a folder of their own."""
    name = request.path.stem.removeprefix("test_")
    folder = tmp_path_factory.mktemp(name)
    (folder / "examples").symlink_to(EXAMPLES)
    make_repository(folder / "clones" / "shop")
    *before, serve = shown_here(name)
    for command in before:
        subprocess.run(command, shell=True, cwd=folder, env={**os.environ, **shell}, check=True)
    assignments, words = serve.split("mcptasks ")
    variables = {**shell, **dict(word.split("=", 1) for word in shlex.split(assignments))}
    with running(*shlex.split(words), "--port", "0", directory=folder, environment=variables) as dev:
        url = dev.line(r"^endpoint: (\S+)$")[1]
        kubectl = Kubectl(Path(dev.line(r"^kubeconfig: (\S+)$")[1]), "default")
        dev.line("^watching .* for changes")
        yield ServedExample(url, kubectl, folder, packages.ffmpeg())
        dev.send(signal.SIGTERM)
        dev.end()


def cold_patch(environment: Mapping[str, str]) -> JsonObject:
    """The merge patch of a template after which tasks have Pods of their own, with these variables."""
    env = [{"name": name, "value": value} for name, value in environment.items()]
    runner = {"name": "runner", "image": "local", "env": env}
    return {"spec": {"executor": "Job", "warm": None, "podTemplate": {"spec": {"containers": [runner]}}}}
