"""The examples that are folders: each is served alone, on an embedded cluster with the templates that it brings."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcptasks.dev.default_templates import warm_template
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.model.base import JsonObject
from tests.examples.packages import EXAMPLES, ExamplePackages, installed, local_templates
from tests.examples.repository import make_repository
from tests.support.kubectl import Kubectl


@dataclass(frozen=True)
class ServedExample:
    """Where one is served, and the folder that all of them work in."""

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
    def zones(self) -> Path:
        return self.folder / "zones.db"


@pytest.fixture(scope="session")
def packages() -> ExamplePackages:
    return installed()


@pytest.fixture(scope="session")
def folder(packages: ExamplePackages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the model that the image would have, and a repository."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("media", "predictions", "repositories"):
        (folder / name).mkdir()
    make_repository(folder / "repositories" / "shop")
    train = EXAMPLES / "batch_inference" / "train.py"
    subprocess.run([packages.python, train, folder / "digits.onnx"], check=True)
    return folder


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, packages: ExamplePackages, folder: Path) -> Iterator[ServedExample]:
    """The example that the module of tests is named after."""
    name = request.path.stem.removeprefix("test_")
    tools = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ} | {
        "PYTHONPATH": str(packages.site_packages),
        "MODEL": str(folder / "digits.onnx"),
        "PREDICTIONS": str(folder / "predictions"),
        "MEDIA": str(folder / "media"),
        "FFMPEG": packages.ffmpeg(),
        "REPOSITORIES": str(folder / "repositories"),
        "ZONES_DATABASE": str(folder / "zones.db"),
    }
    module = str(EXAMPLES / name / "server.py")
    with LocalStack(StackConfig(module, tool_environment=tools)) as stack:
        kubectl = Kubectl(stack.kubeconfig, stack.namespace)
        kubectl.run("apply", "-f", str(EXAMPLES / name / "local.yaml"))
        for template in local_templates(name):
            # Libraries that take seconds to load are loaded once.
            patch = json.dumps({"spec": warm_template(module)["spec"]})
            kubectl.run("patch", "mcptasktemplate", template["metadata"]["name"], "--type=merge", "-p", patch)
        yield ServedExample(stack.endpoint, kubectl, folder, packages.ffmpeg())


def cold_patch(environment: Mapping[str, str]) -> JsonObject:
    """The merge patch of a template after which tasks have Pods of their own, with these variables."""
    env = [{"name": name, "value": value} for name, value in environment.items()]
    runner = {"name": "runner", "image": "local", "env": env}
    return {"spec": {"executor": "Job", "warm": None, "podTemplate": {"spec": {"containers": [runner]}}}}
