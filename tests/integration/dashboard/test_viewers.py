"""The dashboard on a cluster that knows users and their rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcptasks.client import SyncClient
from mcptasks.dev.stack import COMMAND, LocalStack, StackConfig
from mcptasks.dev.supervisor import ProcessSpec, free_ports
from tests.support.kubeconfig import KubeconfigAccess
from tests.support.polling import eventually

TOOLS = Path(__file__).with_name("shop_tools.py")
ASKING = "dashboard-asking"


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(StackConfig(str(TOOLS), dashboard_port=0)) as running:
        yield running


@pytest.fixture(scope="module")
def site(stack: LocalStack) -> Iterator[httpx2.Client]:
    """The dashboard that asks nobody."""
    assert stack.dashboard_url is not None
    with httpx2.Client(
        base_url=stack.dashboard_url, headers={"accept": "text/html"}, trust_env=False, timeout=30
    ) as client:
        yield client


@pytest.fixture(scope="module")
def asking_url(stack: LocalStack) -> str:
    """The address of one that asks for tokens."""
    (port,) = free_ports(1)
    environment = {
        "MCPTASKS_KUBECONFIG": str(stack.kubeconfig),
        "MCPTASKS_NAMESPACE": stack.namespace,
        "MCPTASKS_DASHBOARD_PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    stack.supervisor.add(ProcessSpec(ASKING, COMMAND, ("dashboard",), environment, f"{url}/readyz"))
    stack.supervisor.start(ASKING)
    return url


@pytest.fixture(scope="module")
def cluster(stack: LocalStack) -> Iterator[httpx2.Client]:
    with KubeconfigAccess.of(stack.kubeconfig).client(30) as client:
        yield client


@pytest.fixture(scope="module")
def task(stack: LocalStack) -> str:
    """A task that has completed."""
    with SyncClient(stack.endpoint) as client:
        called = client.call_tool("stock", {"warehouse": "Lübeck"}, task=True)
        called.result()
        return str(called.task_id)


def created(cluster: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = cluster.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def viewer(cluster: httpx2.Client, name: str, *rules: dict[str, Any]) -> dict[str, str]:
    """Headers with the token of a new user who has these rights in the namespace `default`."""
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    created(cluster, "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": name}})
    created(cluster, f"{rbac}/roles", {"metadata": {"name": name}, "rules": list(rules)})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    created(cluster, f"{rbac}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
    path = f"/api/v1/namespaces/default/serviceaccounts/{name}/token"
    token = created(cluster, path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    return {"authorization": f"Bearer {token}", "accept": "text/html"}


def rule(group: str, resource: str, *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


def test_the_list_and_a_task_are_shown(site: httpx2.Client, task: str) -> None:
    assert task in eventually("the watch has told of it", lambda: _with(site.get("/tasks").text, task))
    page = eventually("the log is there", lambda: _with(site.get(f"/tasks/default/{task}").text, "opening Lübeck"))
    assert "opening Lübeck &lt;b&gt;" in page
    assert re.search(r"<caption>rows</caption>.*A-0.*A-2", page, re.DOTALL)
    assert '<span class="string">Lübeck</span>' in page
    assert site.get(f"/tasks/default/{task}/result.json").json()["structuredContent"]["warehouse"] == "Lübeck"
    assert "opening Lübeck <b>" in site.get(f"/tasks/default/{task}/log.txt").text


def _with(text: str, wanted: str) -> str | None:
    return text if wanted in text else None


def test_a_running_tasks_page_follows_it(stack: LocalStack, site: httpx2.Client) -> None:
    with SyncClient(stack.endpoint) as client:
        called = client.call_tool("count", {"steps": 30}, task=True)
        path = f"/tasks/default/{called.task_id}"
        seen = ""
        with site.stream("GET", f"{path}/live", headers={"accept": "text/event-stream"}) as stream:
            for line in stream.iter_lines():
                seen += f"{line}\n"
                if ">completed<" in seen.replace("</svg>completed", ">completed") and "step 29" in seen:
                    break
        called.result()
    assert "event: log\n" in seen
    assert "event: log-more\n" in seen or "step 29" in seen
    assert '<progress max="100"' in seen


@pytest.mark.long
def test_each_attempt_of_a_task_that_died_has_a_lane(stack: LocalStack, site: httpx2.Client) -> None:
    with SyncClient(stack.endpoint) as client:
        called = client.call_tool("fragile", task=True)
        called.wait()
    page = eventually(
        "both attempts are over", lambda: _with(site.get(f"/tasks/default/{called.task_id}").text, "Attempt 2")
    )
    assert "ExitCode" in page
    assert "Error (exit code 3)" in page
    assert "reading prices.csv" in page


def test_a_viewer_sees_what_they_may_see_with_kubectl(cluster: httpx2.Client, asking_url: str, task: str) -> None:
    reader = viewer(cluster, "reader", rule("mcptasks.dev", "mcptasks", "get", "list"))
    nobody = viewer(cluster, "nobody")
    with httpx2.Client(base_url=asking_url, trust_env=False, timeout=30) as site:
        assert site.get("/tasks", headers={"accept": "text/html"}).status_code == 303
        assert site.get("/tasks", headers={"authorization": "Bearer x", "accept": "text/html"}).status_code == 303
        eventually("the watch has told of it", lambda: task in site.get("/tasks", headers=reader).text)
        page = site.get(f"/tasks/default/{task}", headers=reader)
        assert page.status_code == 200
        assert "get pods/log" in page.text
        assert "opening" not in page.text
        assert site.get(f"/tasks/default/{task}/log.txt", headers=reader).status_code == 403
        assert task not in site.get("/tasks", headers=nobody).text
        assert site.get(f"/tasks/default/{task}", headers=nobody).status_code == 403
        assert site.get(f"/tasks/default/{task}/live", headers=nobody).status_code == 403


def filled(site: httpx2.Client, page: str, target: str, **fields: str) -> httpx2.Response:
    """What a form of the page is answered with."""
    found = site.get(page)
    hidden = dict(re.findall(r'name="(form_token|key|uid)" value="([^"]*)"', found.text))
    return site.post(target, data=hidden | fields)


def test_a_tool_is_called_asks_and_is_answered_in_the_pages_alone(site: httpx2.Client) -> None:
    called = filled(site, "/tools/reorder", "/tools/reorder", **{"value.article": "desks"})
    path = called.headers["location"]
    eventually("the tool asks", lambda: _with(site.get(path).text, "How many of desks?"))
    answered = filled(site, path, f"{path}/answer", action="accept", **{"value.pieces": "7"})
    assert answered.status_code == 303
    eventually("the answer has arrived", lambda: _with(site.get(path).text, "7 of desks"))


def test_a_task_is_called_again_with_other_arguments(site: httpx2.Client, task: str) -> None:
    page = eventually("the watch has told of it", lambda: _with(site.get(f"/tasks/default/{task}").text, "Change and"))
    path = f"/tools/stock?like={task}"
    assert f'href="{path}"' in page
    assert 'value="Lübeck"' in site.get(path).text
    assert 'value="Lübeck"' not in site.get(f"/tools/count?like={task}").text
    assert site.get("/tools/stock?like=none").status_code == 404


def test_a_running_task_is_cancelled_and_run_again(site: httpx2.Client) -> None:
    path = filled(site, "/tools/count", "/tools/count", **{"value.steps": "6000"}).headers["location"]
    assert filled(site, path, f"{path}/cancel").status_code == 303
    eventually("it is cancelled", lambda: _with(site.get(path).text, "CancelledBySpec"))
    again = filled(site, path, f"{path}/again").headers["location"]
    assert again != path
    assert "6000" in site.get(again).text
    filled(site, again, f"{again}/cancel")


@pytest.mark.long
def test_it_ends_at_once_although_somebody_looks(stack: LocalStack, asking_url: str, cluster: httpx2.Client) -> None:
    lister = viewer(cluster, "lister", rule("mcptasks.dev", "mcptasks", "get", "list"))
    with (
        httpx2.Client(base_url=asking_url, trust_env=False, timeout=30) as site,
        site.stream("GET", "/tasks/live", headers=lister) as stream,
    ):
        assert stream.status_code == 200
        stack.stop(ASKING)
    assert stack.supervisor.exit_code(ASKING) == 0
