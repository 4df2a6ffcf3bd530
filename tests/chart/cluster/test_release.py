"""A release's whole life on a real cluster: install, `helm test`, upgrade and rollback under running tasks, uninstall.

Needs `--kubeconfig`, helm, and the image MCPTASKS_IMAGE (mcptasks:dev) in the cluster. MCPTASKS_PREVIOUS_CHART is the
folder of the previous chart; without one it is this chart under an older version, with other annotations of its Pods.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart.cluster.release import IMAGE, Release, new_release, values_of
from tests.chart.helm import CHART
from tests.support.polling import eventually

CRDS = ("mcptasks.mcptasks.dev", "mcptasktemplates.mcptasks.dev")


@pytest.fixture(scope="module")
def release(request: pytest.FixtureRequest) -> Iterator[Release]:
    yield from new_release(request.config.getoption("--kubeconfig"))


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart of the version before."""
    given = os.environ.get("MCPTASKS_PREVIOUS_CHART")
    if given:
        return Path(given)
    copy = tmp_path_factory.mktemp("previous") / "mcptasks"
    shutil.copytree(CHART, copy)
    chart = copy / "Chart.yaml"
    chart.write_text(re.sub(r"(?m)^version: .*$", "version: 0.0.1", chart.read_text()))
    return copy


class TestRelease:
    """In this order."""

    def test_install_gives_a_working_endpoint_in_one_command(self, release: Release, previous: Path) -> None:
        release.install(previous, values_of(version="previous"))
        assert release.client().old("tools/list").result["tools"]

    def test_its_own_tests_pass(self, release: Release) -> None:
        assert release.tests_passed() == ["mcptasks-test-cancelled", "mcptasks-test-completes", "mcptasks-test-health"]

    def test_an_upgrade_loses_no_task(self, release: Release) -> None:
        tasks = release.start_tasks()
        release.install(CHART, values_of(version="current"))
        release.end_well(tasks)
        assert len(release.tests_passed()) == 3

    def test_a_rollback_loses_no_task(self, release: Release) -> None:
        tasks = release.start_tasks()
        release.helm("rollback", "mcptasks", "--wait", "--timeout=5m")
        release.end_well(tasks)
        assert release.client().old("tools/list").result["tools"]

    def test_uninstalling_keeps_tasks_and_nothing_else_that_runs(self, release: Release) -> None:
        task_id = release.client().create("count_slowly", {"steps": 1, "delay": 0})
        eventually("it ends", lambda: release.status(task_id).get("finishedAt"), 120)
        release.helm("uninstall", "mcptasks", "--wait", "--timeout=3m")
        for kind in ("deployments", "services", "mcptasktemplates", "roles", "networkpolicies", "configmaps"):
            left = [item["metadata"]["name"] for item in release.kubectl.list(kind)]
            assert [name for name in left if name != "kube-root-ca.crt"] == [], kind
        for crd in CRDS:
            assert release.kubectl.find("crd", crd)
        assert release.kubectl.find("mcptask", task_id)


class TestWithoutHelm:
    """What is rendered and applied by others (`helm template | kubectl apply`, kustomize, Argo CD) works as well."""

    def test_the_rendered_text_makes_a_working_installation(self, release: Release) -> None:
        text = release.rendered()
        apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        release.kubectl.run(*apply, stdin=text)
        try:
            for name in ("mcptasks-server", "mcptasks-operator"):
                release.kubectl.run("rollout", "status", f"deployment/{name}", "--timeout=180s", seconds=200)
            template = release.kubectl.get("mcptasktemplate", "default")
            assert template["spec"]["podTemplate"]["spec"]["containers"][0]["image"] == IMAGE
            task_id = release.client().create("count_slowly", {"steps": 2, "delay": 0})
            eventually("it ends", lambda: release.status(task_id).get("finishedAt"), 120)
            assert release.status(task_id)["phase"] == "completed", release.status(task_id)
            # A second apply, as every sync of Argo CD is one, changes nothing.
            release.kubectl.run(*apply, stdin=text)
            again = release.kubectl.get("mcptasktemplate", "default")
            assert again["metadata"]["generation"] == template["metadata"]["generation"]
        finally:
            release.kubectl.run(
                "delete", "--ignore-not-found", "--wait", "-f", "-", stdin=without_crds(text), seconds=200
            )


def without_crds(text: str) -> str:
    """Rendered text without what all tasks of a cluster hang on."""
    objects = [item for item in yaml.safe_load_all(text) if item and item["kind"] != "CustomResourceDefinition"]
    return yaml.safe_dump_all(objects)
