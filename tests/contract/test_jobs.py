"""Jobs, their Pods, and what deletes them."""

from __future__ import annotations

import time

from tests.contract.cleanup import Space
from tests.contract.client import STRATEGIC, Api
from tests.contract.jobs import condition, finished, job, pods_of, running
from tests.support.polling import eventually

FAILS_WHEN_STOPPED = "trap 'exit 1' TERM; sleep 60 & wait"


def test_complete(api: Api, space: Space, image: str) -> None:
    version = api.get(space.jobs()).ok()["metadata"]["resourceVersion"]
    made = api.post(space.jobs(), job("a", "echo hello", image)).ok(201)
    done = finished(api, space, "a")
    status = done["status"]
    assert condition(done, "Complete") is not None
    assert condition(done, "SuccessCriteriaMet") is not None
    assert status["succeeded"] == 1
    assert (status["ready"], status["terminating"], status["uncountedTerminatedPods"]) == (0, 0, {})
    assert "active" not in status
    assert status["completionTime"] >= status["startTime"]
    [pod] = pods_of(api, space, "a")
    assert pod["metadata"]["name"].startswith("a-")
    assert len(pod["metadata"]["name"]) == 7
    assert "finalizers" not in pod["metadata"]
    owner = pod["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Job", made["metadata"]["uid"], True)
    assert pod["status"]["phase"] == "Succeeded"
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (0, "Completed")
    assert api.get(space.path("pods", pod["metadata"]["name"], "log")).body == "hello\n"
    order: list[list[str]] = []
    for event in api.watch(space.jobs(), 1, resourceVersion=version):
        kinds = [c["type"] for c in event["object"]["status"].get("conditions") or ()]
        if not order or order[-1] != kinds:
            order.append(kinds)
    assert order == [[], ["SuccessCriteriaMet"], ["SuccessCriteriaMet", "Complete"]]


def test_backoff_limit(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", "echo oops; exit 3", image)).ok(201)
    done = finished(api, space, "a")
    failed = condition(done, "Failed") or {}
    assert (failed["reason"], failed["message"]) == (
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )
    assert condition(done, "FailureTarget") is not None
    assert done["status"]["failed"] == 1
    assert "completionTime" not in done["status"]
    [pod] = pods_of(api, space, "a")
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (pod["status"]["phase"], terminated["exitCode"], terminated["reason"]) == ("Failed", 3, "Error")


def test_failure_policy(api: Api, space: Space, image: str) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}}
    body = job("a", "exit 42", image, backoffLimit=5, podFailurePolicy={"rules": [rule]})
    made = api.post(space.jobs(), body).ok(201)
    assert made["spec"]["podReplacementPolicy"] == "Failed"
    failed = condition(finished(api, space, "a"), "Failed") or {}
    [pod] = pods_of(api, space, "a")
    name = f"{space.name}/{pod['metadata']['name']}"
    expected = f"Container main for pod {name} failed with exit code 42 matching FailJob rule at index 0"
    assert (failed["reason"], failed["message"]) == ("PodFailurePolicy", expected)


def test_pod_deadline(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", "exec sleep 60", image, {"activeDeadlineSeconds": 1})).ok(201)
    assert (condition(finished(api, space, "a"), "Failed") or {})["reason"] == "BackoffLimitExceeded"
    [pod] = pods_of(api, space, "a")
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"


def test_job_deadline(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", "exec sleep 60", image, activeDeadlineSeconds=2)).ok(201)
    failed = condition(finished(api, space, "a"), "Failed") or {}
    expected = ("DeadlineExceeded", "Job was active longer than specified deadline")
    assert (failed["reason"], failed["message"]) == expected


def test_ttl(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", "true", image)).ok(201)
    finished(api, space, "a")
    api.patch(space.jobs("a"), {"spec": {"ttlSecondsAfterFinished": 0}}).ok()
    eventually("the Job is gone", lambda: api.get(space.jobs("a")).code == 404)
    eventually("its Pods are gone", lambda: not pods_of(api, space, "a"))


def test_delete_orphans_by_default(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", "exec sleep 60", image)).ok(201)
    eventually("the Job has a Pod", lambda: pods_of(api, space, "a"))
    reply = api.delete(space.jobs("a"))
    assert any("child pods are preserved by default when jobs are deleted" in text for text in reply.warnings)
    eventually("the Job is gone", lambda: api.get(space.jobs("a")).code == 404)
    [pod] = eventually(
        "the Pod is an orphan", lambda: [p for p in pods_of(api, space, "a") if "ownerReferences" not in p["metadata"]]
    )
    assert "deletionTimestamp" not in pod["metadata"]
    api.delete(space.path("pods", pod["metadata"]["name"]), gracePeriodSeconds=0)


def test_delete_in_background(api: Api, space: Space, image: str) -> None:
    made = api.post(space.jobs(), job("a", "exec sleep 60", image)).ok(201)
    eventually("the Job has a Pod", lambda: pods_of(api, space, "a"))
    options = {"propagationPolicy": "Background", "preconditions": {"uid": made["metadata"]["uid"]}}
    assert api.delete(space.jobs("a"), options).ok()["status"] == "Success"
    assert api.get(space.jobs("a")).code == 404
    eventually("its Pods are gone", lambda: not pods_of(api, space, "a"))


def test_delete_in_foreground(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", "exec sleep 60", image)).ok(201)
    eventually("the Job has a Pod", lambda: pods_of(api, space, "a"))
    held = api.delete(space.jobs("a"), {"propagationPolicy": "Foreground"}).ok()
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    eventually("the Job is gone", lambda: api.get(space.jobs("a")).code == 404)
    assert not pods_of(api, space, "a")


def test_owner_takes_its_dependents(api: Api, space: Space) -> None:
    owner = api.post(space.path("configmaps"), {"metadata": {"name": "owner"}}).ok(201)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    api.post(space.path("configmaps"), {"metadata": {"name": "child", "ownerReferences": [reference]}}).ok(201)
    api.delete(space.path("configmaps", "owner")).ok()
    eventually("the child is gone", lambda: api.get(space.path("configmaps", "child")).code == 404, 60)


def test_suspend_and_resume(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", "true", image, suspend=True)).ok(201)
    suspended = eventually("the Job is suspended", lambda: condition(api.get(space.jobs("a")).ok(), "Suspended"))
    assert (suspended["reason"], suspended["message"]) == ("JobSuspended", "Job suspended")
    assert not pods_of(api, space, "a")
    api.patch(space.jobs("a"), {"spec": {"suspend": False}}).ok()
    assert condition(finished(api, space, "a"), "Complete") is not None


def test_a_job_that_is_suspended_loses_its_pod_which_counts_for_nothing(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", FAILS_WHEN_STOPPED, image)).ok(201)
    eventually("a Pod runs", lambda: running(api, space, "a"), 60)
    api.patch(space.jobs("a"), {"spec": {"suspend": True}}).ok()
    eventually("the Job is suspended", lambda: condition(api.get(space.jobs("a")).ok(), "Suspended"))
    eventually("its Pods are gone", lambda: not pods_of(api, space, "a"), 60)
    assert "failed" not in api.get(space.jobs("a")).ok()["status"]
    api.patch(space.jobs("a"), {"spec": {"suspend": False}}).ok()
    eventually("a Pod runs", lambda: running(api, space, "a"), 60)
    assert condition(api.get(space.jobs("a")).ok(), "Failed") is None


def test_of_pods_too_many_the_youngest_goes_and_counts_for_nothing(api: Api, space: Space, image: str) -> None:
    api.post(space.jobs(), job("a", FAILS_WHEN_STOPPED, image, parallelism=1, completions=2)).ok(201)
    [first] = eventually("a Pod runs", lambda: running(api, space, "a"), 60)
    time.sleep(1.1)  # Creation times have whole seconds.
    api.patch(space.jobs("a"), {"spec": {"parallelism": 2}}).ok()
    eventually("two Pods run", lambda: len(running(api, space, "a")) == 2, 60)
    api.patch(space.jobs("a"), {"spec": {"parallelism": 1}}).ok()
    eventually("one Pod is left", lambda: len(pods_of(api, space, "a")) == 1, 60)
    assert running(api, space, "a") == [first]
    status = api.get(space.jobs("a")).ok()["status"]
    assert ("failed" in status, status["active"]) == (False, 1)


def test_managed_by_another_controller(api: Api, space: Space) -> None:
    api.post(space.jobs(), job("a", managedBy="contract.dev/other")).ok(201)
    status = {"startTime": "2026-01-01T00:00:00Z", "active": 1}
    assert api.patch(space.jobs("a", "status"), {"status": status}).ok()["status"]["active"] == 1
    assert not pods_of(api, space, "a")
    reply = api.patch(space.jobs("a"), {"spec": {"managedBy": "contract.dev/third"}})
    assert (reply.code, reply.causes[0][0]) == (422, "spec.managedBy")


def test_strategic_patch_merges_conditions_and_containers(api: Api, space: Space) -> None:
    api.post(space.jobs(), job("a", suspend=True)).ok(201)
    container = {"name": "main", "image": "other"}
    reply = api.patch(space.jobs("a"), {"spec": {"template": {"spec": {"containers": [container]}}}}, STRATEGIC)
    assert reply.code == 422
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert api.patch(space.jobs("a"), labels, STRATEGIC).ok()["metadata"]["labels"]["a"] == "b"
