"""A node is lost: what may run twice runs again elsewhere, all else fails and says so, and nothing waits for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.api import ClusterApi
from tests.e2e.cluster import IMAGE, ClusterDeployment
from tests.e2e.conftest import Deployment, Look
from tests.e2e.nodes import OtherNode
from tests.e2e.observer import ClusterObserver
from tests.e2e.task_failures import explained
from tests.e2e.templates import node_templates
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient

NOTICED_SECONDS = 300
"""A cluster takes most of a minute to notice that a node does not answer; the operator waits for the Pod's end too."""


@pytest.fixture(scope="module")
def emptied(deployment: Deployment, kubectl: Kubectl) -> OtherNode:
    """The second node, with nothing of the product on it but what tasks bring there."""
    node = None
    if isinstance(deployment, ClusterDeployment) and deployment.has_machine:
        node = OtherNode.find(kubectl)
    if node is None:
        pytest.skip("needs a second node, whose kubelet can be killed: see docs/cluster.md")
    kubectl.apply(*node_templates(deployment.namespace, IMAGE, node.name))
    node.drain()
    for component in ("redis", "operator", "server"):
        deployment.ready(component)
    return node


@pytest.fixture
def other_node(emptied: OtherNode) -> Iterator[OtherNode]:
    yield emptied
    emptied.come_back()


@pytest.fixture
def observer(deployment: Deployment) -> Iterator[ClusterObserver]:
    with ClusterApi(deployment.kubeconfig, deployment.namespace) as api, ClusterObserver(api) as observer:
        yield observer


@pytest.mark.timeout(900)
def test_a_task_whose_node_does_not_answer_any_more_fails_and_is_not_run_again(
    client: RawClient, look: Look, observer: ClusterObserver, other_node: OtherNode, kubectl: Kubectl
) -> None:
    """Its process may still run there, which nobody can know."""
    task_id = client.create("nap_there", {"seconds": 800})
    look.running(task_id, 120)
    assert look.status(task_id)["nodeName"] == other_node.name
    other_node.stop_answering()
    status = explained(
        client, look, kubectl, task_id, "NodeLost", f"node {other_node.name}", "call it again", seconds=NOTICED_SECONDS
    )
    assert status["attempts"] == 1
    assert look.condition(task_id, "PodsTerminated").get("status") != "True"
    other_node.come_back()
    look.terminated(task_id, 240)
    look.no_running_pods(task_id)
    assert (observer.jobs(task_id), observer.pods(task_id)) == (1, 1)
    assert look.status(task_id)["reason"] == "NodeLost"


@pytest.mark.timeout(900)
def test_an_idempotent_task_whose_node_is_gone_runs_again_on_another_one(
    client: RawClient, look: Look, observer: ClusterObserver, other_node: OtherNode, kubectl: Kubectl
) -> None:
    task_id = client.create("nap_there_first", {"seconds": 30})
    first = look.running(task_id, 120)
    assert look.status(task_id)["nodeName"] == other_node.name
    other_node.die(kubectl.get("pod", first))
    assert client.wait(task_id, seconds=NOTICED_SECONDS)["status"] == "completed"
    assert client.result(task_id)["content"][0]["text"] == "rested"
    status = look.status(task_id)
    assert status["attempts"] == 2
    assert status["nodeName"] != other_node.name
    look.terminated(task_id, 120)
    other_node.come_back()
    look.no_running_pods(task_id)
    assert (observer.jobs(task_id), observer.pods(task_id)) == (1, 2)
    assert look.status(task_id)["attempts"] == 2


@pytest.mark.timeout(900)
def test_a_task_whose_node_is_gone_and_that_may_not_run_twice_fails(
    client: RawClient, look: Look, observer: ClusterObserver, other_node: OtherNode, kubectl: Kubectl
) -> None:
    task_id = client.create("nap_there", {"seconds": 800})
    pod = look.running(task_id, 120)
    other_node.die(kubectl.get("pod", pod))
    status = explained(client, look, kubectl, task_id, "NodeLost", other_node.name, seconds=NOTICED_SECONDS)
    assert status["attempts"] == 1
    look.terminated(task_id, 240)
    other_node.come_back()
    look.no_running_pods(task_id)
    assert (observer.jobs(task_id), observer.pods(task_id)) == (1, 1)
