"""Two teams in two namespaces on a real cluster, by the files of docs/platform/two-teams.md.

Needs `--kubeconfig`, helm, and the image MCPTASKS_IMAGE (mcptasks:dev) in the cluster.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import pytest

from mcptasks.model.base import JsonObject
from tests.chart.cluster.release import IMAGE, Release
from tests.chart.helm import CHART, take_over
from tests.chart.two_teams import PLATFORM, TEAM_A, TEAM_B, TwoTeams
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

OLD = {"mcp-protocol-version": "2025-11-25"}


@dataclass(frozen=True)
class Team:
    """A team: its release, its account at the API server, and its callers' tokens."""

    release: Release
    client: RawClient
    tokens: dict[str, str]

    @property
    def kubectl(self) -> Kubectl:
        return self.release.kubectl

    @property
    def namespace(self) -> str:
        return self.release.namespace

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:team"

    def as_user(self, *arguments: str, namespace: str = "", stdin: str | None = None) -> str:
        """What kubectl says to the team's account."""
        where = (f"--namespace={namespace}",) if namespace else ()
        return self.kubectl.run(*arguments, f"--as={self.user}", *where, stdin=stdin, check=False)

    def bearer(self, who: str = "alice") -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[who]}"}

    def start(self, seconds: int) -> str:
        """A task of Alice's that runs for so many seconds."""
        params = {"name": "count_slowly", "arguments": {"steps": seconds, "delay": 1}, "task": {}}
        answer = self.client.post("tools/call", params, OLD | self.bearer())
        return str(answer.result["task"]["taskId"])

    def status(self, task_id: str) -> JsonObject:
        found: JsonObject = self.kubectl.get("mcptask", task_id).get("status") or {}
        return found


@dataclass(frozen=True)
class World:
    """The platform and both teams."""

    platform: Release
    a: Team
    b: Team


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    kubeconfig = request.config.getoption("--kubeconfig")
    if not kubeconfig:
        raise pytest.UsageError("name the cluster: make chart-e2e KUBECONFIG=path/to/kubeconfig")
    files, folder = TwoTeams(f"-{secrets.token_hex(3)}"), tmp_path_factory.mktemp("values")
    releases = [
        Release(Path(kubeconfig), Kubectl(Path(kubeconfig), files.name(name))) for name in (PLATFORM, TEAM_A, TEAM_B)
    ]
    objects = files.objects()
    with ExitStack() as stack:
        stack.callback(
            releases[0].kubectl.run, "delete", "clusterrole", files.name("mcptasks-team"), "--ignore-not-found"
        )
        for release in releases:
            stack.callback(release.close)
            uninstall = ("uninstall", "tools", "--ignore-not-found", "--wait", "--timeout=3m")
            stack.callback(partial(release.helm, *uninstall, check=False))
        first = [item for item in objects if "namespace" not in item["metadata"]]
        releases[0].kubectl.apply(*first)
        for release in releases[1:]:
            release.kubectl.apply(*[item for item in objects if item["metadata"].get("namespace") == release.namespace])
        install(releases[0], "mcptasks", files.write(folder, "operator.yaml"))
        a, b = (
            team_of(release, files.write(folder, f"{name}.yaml"))
            for release, name in zip(releases[1:], (TEAM_A, TEAM_B), strict=True)
        )
        for team in (a, b):
            # The quota controller looks for new kinds every half minute.
            eventually("the quota counts tasks", partial(counts_tasks, team.kubectl), 120)
        yield World(releases[0], a, b)


def counts_tasks(kubectl: Kubectl) -> bool:
    used = (kubectl.get("resourcequota", "tasks").get("status") or {}).get("used") or {}
    return "count/mcptasks.mcptasks.dev" in used


def team_of(release: Release, values: Path) -> Team:
    tokens = {who: secrets.token_hex(16) for who in ("alice", "bob", "helm-test")}
    literals = [f"--from-literal={who}={token}" for who, token in tokens.items()]
    release.kubectl.run("create", "secret", "generic", "callers", *literals)
    install(release, "tools", values)
    address = release.kubectl.get("service", "tools-mcptasks")["spec"]["clusterIP"]
    return Team(release, RawClient(f"http://{address}:8000/mcp"), tokens)


def install(release: Release, name: str, values: Path) -> None:
    """As on the page, with the image that the cluster has, and fewer replicas, which a small node has room for."""
    repository, _, tag = IMAGE.rpartition(":")
    own = (
        "server.replicas=1",
        "operator.replicas=1",
        f"image.repository={repository}",
        f"image.tag={tag}",
        "server.allowedHosts={*}",
        "networkPolicy.server.from=null",
        "dashboard.allowedHosts={*}",
    )
    options = [f"--set={value}" for value in own]
    release.helm(
        "upgrade", "--install", name, str(CHART), f"--values={values}", *options, *take_over(), "--wait", "--timeout=3m"
    )


@pytest.fixture(scope="module")
def tasks(world: World) -> dict[str, str]:
    """A task of each team that runs."""
    started = {"a": world.a.start(600), "b": world.b.start(600)}
    for team, task_id in ((world.a, started["a"]), (world.b, started["b"])):
        eventually(f"{task_id} runs", lambda team=team, task_id=task_id: team.status(task_id).get("startedAt"), 90)  # type: ignore[misc]
    return started


def test_each_team_sees_and_cancels_its_own_tasks_with_kubectl(world: World) -> None:
    task_id = world.a.start(600)
    assert task_id in world.a.as_user("get", "mcptasks")
    assert "patched" in world.a.as_user("patch", "mcptask", task_id, "--type=merge", '--patch={"spec":{"cancel":true}}')
    eventually("it is cancelled", lambda: world.a.status(task_id).get("phase") == "cancelled", 60)


def test_not_the_other_teams(world: World, tasks: dict[str, str]) -> None:
    there = world.b.namespace
    answered = '--patch={"status":{"phase":"completed"}}'
    tries = [
        world.a.as_user("get", "mcptasks", namespace=there),
        world.a.as_user("get", "mcptask", tasks["b"], namespace=there),
        world.a.as_user("get", "pods", namespace=there),
        world.a.as_user("get", "mcptasks", "--all-namespaces"),
        world.a.as_user(
            "patch", "mcptask", tasks["b"], "--type=merge", '--patch={"spec":{"cancel":true}}', namespace=there
        ),
        world.a.as_user(
            "patch", "mcptask", tasks["b"], "--subresource=status", "--type=merge", answered, namespace=there
        ),
        world.a.as_user("delete", "mcptask", tasks["b"], namespace=there),
        world.a.as_user("create", "-f", "-", namespace=there, stdin=a_task()),
    ]
    assert [told for told in tries if "orbidden" not in told] == []
    assert world.b.status(tasks["b"])["phase"] == "working"


def test_a_team_changes_neither_its_limits_nor_who_it_is(world: World, tasks: dict[str, str]) -> None:
    more = '--patch={"spec":{"hard":{"pods":"1000"}}}'
    tries = [
        world.a.as_user("patch", "resourcequota", "tasks", "--type=merge", more),
        world.a.as_user("delete", "limitrange", "tasks"),
        world.a.as_user("patch", "mcptasktemplate", "default", "--type=merge", '--patch={"spec":{"executor":"Warm"}}'),
        world.a.as_user("get", "secrets"),
        world.a.as_user("create", "token", "tools-mcptasks-server"),
        world.a.as_user(
            "patch",
            "mcptask",
            tasks["a"],
            "--subresource=status",
            "--type=merge",
            '--patch={"status":{"phase":"failed"}}',
        ),
        world.a.as_user("create", "-f", "-", stdin=a_task(principal={"subject": "alice"})),
    ]
    assert [told for told in tries if "orbidden" not in told] == []


def a_task(**spec: JsonObject) -> str:
    body = {"apiVersion": "mcptasks.dev/v1alpha1", "kind": "McpTask", "metadata": {"name": "intruder"}}
    return json.dumps(body | {"spec": {"component": {"name": "report"}, **spec}})


def test_a_token_of_one_team_is_none_at_the_others_endpoint(world: World) -> None:
    assert world.b.client.post("tools/list", {}, OLD | world.b.bearer()).status == 200
    assert world.b.client.post("tools/list", {}, OLD | world.a.bearer()).status == 401


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/result"])
def test_the_other_teams_task_is_unknown_at_the_own_endpoint(world: World, tasks: dict[str, str], method: str) -> None:
    answer = world.a.client.post(method, {"taskId": tasks["b"]}, OLD | world.a.bearer())
    assert answer.error["code"] == -32602
    own = world.a.client.post(method, {"taskId": tasks["a"]}, OLD | world.a.bearer("bob"))
    assert own.error["code"] == -32602, "nor is a task of another caller of the team"


def test_the_dashboard_shows_each_team_its_own(world: World, tasks: dict[str, str]) -> None:
    address = world.platform.kubectl.get("service", "mcptasks-dashboard")["spec"]["clusterIP"]
    token = world.a.kubectl.run("create", "token", "team").strip()
    headers = {"authorization": f"Bearer {token}", "accept": "text/html"}
    with httpx2.Client(base_url=f"http://{address}:8090", headers=headers, trust_env=False, timeout=30) as site:
        page = eventually(
            "the watch has told of it", lambda: text if tasks["a"] in (text := site.get("/tasks").text) else "", 60
        )
        assert tasks["b"] not in page
        assert site.get(f"/tasks/{world.a.namespace}/{tasks['a']}").status_code == 200
        path = f"/tasks/{world.b.namespace}/{tasks['b']}"
        assert site.get(path).status_code in (403, 404)
        assert site.post(f"{path}/cancel").status_code in (403, 404)
    assert world.b.status(tasks["b"])["phase"] == "working"


def test_a_team_whose_quota_is_full_is_told_so_and_the_other_goes_on(world: World, tasks: dict[str, str]) -> None:
    used = world.a.kubectl.get("resourcequota", "tasks")["status"]["used"]["pods"]
    full = json.dumps({"spec": {"hard": {"pods": used}}})
    world.a.kubectl.run("patch", "resourcequota", "tasks", "--type=merge", f"--patch={full}")
    waiting, going = world.a.start(1), world.b.start(1)
    told = eventually("it is told why", lambda: message_of(world.a, waiting, "quota"), 60)
    assert "exceeded quota: tasks" in told
    seen = world.a.client.post("tasks/get", {"taskId": waiting}, OLD | world.a.bearer()).result
    assert "quota" in seen["statusMessage"], "the caller is told, too"
    eventually("the other team's task ends", lambda: world.b.status(going).get("phase") == "completed", 90)
    room = json.dumps({"spec": {"hard": {"pods": "40"}}})
    world.a.kubectl.run("patch", "resourcequota", "tasks", "--type=merge", f"--patch={room}")
    eventually("it runs when there is room", lambda: world.a.status(waiting).get("phase") == "completed", 120)


def message_of(team: Team, task_id: str, word: str) -> str:
    told = str(team.status(task_id).get("message") or "")
    return told if word in told else ""
