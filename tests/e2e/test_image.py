"""One image is server, operator and task Pod, and none of them is root."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.cluster import ClusterDeployment
from tests.e2e.conftest import Deployment, Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient

USER = (
    "import getpass, os, pathlib, pwd; (pathlib.Path.home() / '.written').touch();"
    "print(getpass.getuser(), pwd.getpwuid(os.getuid()).pw_name)"
)
"""What libraries do at import: ask for the user's name, write to the home."""


@pytest.fixture
def pods(deployment: Deployment, client: RawClient, look: Look, kubectl: Kubectl) -> dict[str, JsonObject]:
    """A Pod of the server, one of the operator, and one of a task."""
    if not isinstance(deployment, ClusterDeployment):
        pytest.skip("the embedded cluster runs Pods as processes, without an image")
    task_id = client.create("nap", {"seconds": 60})
    names = {
        "server": deployment.pods("server")[0],
        "operator": deployment.pods("operator")[0],
        "task": look.running(task_id),
    }
    return {part: kubectl.get("pod", name) for part, name in names.items()}


def test_server_operator_and_task_pods_run_the_same_image_and_not_as_root(
    pods: dict[str, JsonObject], kubectl: Kubectl, client: RawClient
) -> None:
    images = {part: [status["imageID"] for status in pod["status"]["containerStatuses"]] for part, pod in pods.items()}
    (image,) = images["task"]
    assert images == {part: [image] for part in pods}
    for part, pod in pods.items():
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, part
        assert kubectl.run("exec", pod["metadata"]["name"], "--", "id", "-u").strip() == "65532", part
        assert kubectl.run("exec", pod["metadata"]["name"], "--", "python", "-c", USER).split() == ["mcptasks"] * 2, (
            part
        )
    client.cancel(pods["task"]["metadata"]["labels"]["mcptasks.dev/task"])
