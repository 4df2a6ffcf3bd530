"""Jobs, their Pods, and what deletes them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.contract.cleanup import Space
from tests.contract.client import STRATEGIC, Api
from tests.support.polling import eventually

Json = dict[str, Any]

FAILS_WHEN_STOPPED = "trap 'exit 1' TERM; sleep 60 & wait"


def job(name: str, script: str = "true", image: str = "x", pod: Json | None = None, **spec: Any) -> Json:
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}
    pod_spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": [container], **(pod or {})}
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": pod_spec}, **spec}}


def condition(obj: Json, kind: str) -> Json | None:
    for item in (obj.get("status") or {}).get("conditions") or ():
        if item["type"] == kind and item["status"] == "True":
            return dict(item)
    return None


def pods_of(api: Api, space: Space, name: str) -> list[Json]:
    items: list[Json] = api.get(space.path("pods"), labelSelector=f"batch.kubernetes.io/job-name={name}").ok()["items"]
    return items


def running(api: Api, space: Space, name: str) -> list[str]:
    """Names of the Job's Pods that run."""
    return [pod["metadata"]["name"] for pod in pods_of(api, space, name) if pod["status"].get("phase") == "Running"]


def finished(api: Api, space: Space, name: str) -> Json:
    def look() -> Json | None:
        found: Json = api.get(space.jobs(name)).ok()
        return found if condition(found, "Complete") or condition(found, "Failed") else None

    done: Json = eventually(f"{name} has finished", look, 90)
    return done


def test_defaults(api: Api, space: Space) -> None:
    body = job("a", suspend=True)
    del body["spec"]["backoffLimit"]
    made = api.post(space.jobs(), body).ok(201)
    spec = made["spec"]
    wanted = {"backoffLimit": 6, "completions": 1, "parallelism": 1, "completionMode": "NonIndexed"}
    wanted |= {"podReplacementPolicy": "TerminatingOrFailed", "manualSelector": False}
    assert {key: spec[key] for key in wanted} == wanted
    uid = made["metadata"]["uid"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "a",
        "controller-uid": uid,
        "job-name": "a",
    }
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"completions": 2}, "spec.completions"),
        ({"template": {"spec": {"restartPolicy": "OnFailure"}}}, "spec.template"),
        ({"template": {"spec": {"activeDeadlineSeconds": 5}}}, "spec.template"),
    ],
)
def test_immutable_fields(api: Api, space: Space, change: Json, field: str) -> None:
    api.post(space.jobs(), job("a", suspend=True, parallelism=1, completions=1)).ok(201)
    reply = api.patch(space.jobs("a"), {"spec": change})
    assert reply.code == 422
    assert reply.causes[0][0].startswith(field)


def test_mutable_fields(api: Api, space: Space) -> None:
    api.post(space.jobs(), job("a", suspend=True)).ok(201)
    change = {"parallelism": 2, "activeDeadlineSeconds": 100, "ttlSecondsAfterFinished": 5, "backoffLimit": 3}
    spec = api.patch(space.jobs("a"), {"spec": change}).ok()["spec"]
    assert {key: spec[key] for key in change} == change


def test_restart_policy_is_required(api: Api, space: Space) -> None:
    body = job("a")
    del body["spec"]["template"]["spec"]["restartPolicy"]
    reply = api.post(space.jobs(), body)
    assert reply.code == 422
    assert 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"' in reply.message
    body["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    reply = api.post(space.jobs(), body)
    assert 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"' in reply.message


def test_unknown_fields(api: Api, space: Space) -> None:
    body = job("a", suspend=True, nope=1)
    body["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "x"
    strict = api.post(space.jobs(), body, fieldValidation="Strict")
    assert strict.code == 400
    assert 'unknown field "spec.nope"' in strict.message
    assert 'unknown field "spec.template.spec.containers[0].imagePolicy"' in strict.message
    made = api.post(space.jobs(), body, fieldValidation="Warn")
    assert '299 - "unknown field \\"spec.nope\\""' in made.warnings
    assert "nope" not in made.ok(201)["spec"]


@pytest.mark.parametrize(
    "spec", [{"backoffLimit": "1"}, {"backoffLimit": 1.5}, {"suspend": "true"}, {"parallelism": []}]
)
def test_values_of_a_wrong_type(api: Api, space: Space, spec: Json) -> None:
    reply = api.post(space.jobs(), job("a", **spec))
    assert (reply.code, reply.reason) == (400, "BadRequest")
    assert "cannot unmarshal" in reply.message


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


def test_unpullable_image_stays_pending(api: Api, space: Space) -> None:
    body = job("a", "true", "unpullable.invalid/none:1")
    api.post(space.jobs(), body).ok(201)

    def reason() -> str:
        for pod in pods_of(api, space, "a"):
            for status in pod["status"].get("containerStatuses") or ():
                return str((status["state"].get("waiting") or {}).get("reason"))
        return ""

    eventually("the image cannot be pulled", lambda: reason() in ("ErrImagePull", "ImagePullBackOff"), 60)
    [pod] = pods_of(api, space, "a")
    assert pod["status"]["phase"] == "Pending"
    log = api.get(space.path("pods", pod["metadata"]["name"], "log"))
    assert log.code == 400
    causes = ("image can't be pulled", "trying and failing to pull image")
    assert log.message.endswith(tuple(f"is waiting to start: {cause}" for cause in causes))
    assert api.get(space.jobs("a")).ok()["status"]["active"] == 1


def test_unschedulable(api: Api, space: Space, image: str) -> None:
    body = job("a", "true", image)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "9999"}}
    api.post(space.jobs(), body).ok(201)

    def scheduled() -> Json | None:
        for pod in pods_of(api, space, "a"):
            for item in pod["status"].get("conditions") or ():
                if item["type"] == "PodScheduled" and item["status"] == "False":
                    return dict(item)
        return None

    item = eventually("the Pod cannot be scheduled", scheduled)
    assert item["reason"] == "Unschedulable"
    assert item["message"].startswith("0/1 nodes are available: 1 Insufficient cpu.")


def test_missing_secret(api: Api, space: Space, image: str) -> None:
    body = job("a", 'test -n "$TOKEN"', image)
    variable = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [variable]
    api.post(space.jobs(), body).ok(201)

    def waiting() -> str:
        for pod in pods_of(api, space, "a"):
            for status in pod["status"].get("containerStatuses") or ():
                found = status["state"].get("waiting") or {}
                if found.get("reason") == "CreateContainerConfigError":
                    return str(found["message"])
        return ""

    assert eventually("the container waits", waiting) == 'secret "late" not found'
    api.post(space.path("secrets"), {"metadata": {"name": "late"}, "stringData": {"k": "v"}}).ok(201)
    assert condition(finished(api, space, "a"), "Complete") is not None


def test_command_that_cannot_start(api: Api, space: Space, image: str) -> None:
    body = job("a", "true", image)
    body["spec"]["template"]["spec"]["containers"][0]["command"] = ["/no/such/program"]
    api.post(space.jobs(), body).ok(201)
    finished(api, space, "a")
    [pod] = pods_of(api, space, "a")
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (128, "StartError")
    assert 'exec: "/no/such/program": stat /no/such/program: no such file or directory' in terminated["message"]
    assert terminated["startedAt"] == "1970-01-01T00:00:00Z"


def test_termination_message_from_the_log(api: Api, space: Space, image: str) -> None:
    body = job("a", "echo first; echo last words; exit 1", image)
    body["spec"]["template"]["spec"]["containers"][0]["terminationMessagePolicy"] = "FallbackToLogsOnError"
    api.post(space.jobs(), body).ok(201)
    finished(api, space, "a")
    [pod] = pods_of(api, space, "a")
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert terminated["message"] == "first\nlast words\n"


def test_quota_refuses_jobs(api: Api, space: Space) -> None:
    hard = {"count/jobs.batch": "1", "pods": "0"}
    api.post(space.path("resourcequotas"), {"metadata": {"name": "q"}, "spec": {"hard": hard}}).ok(201)

    def counted() -> bool:
        status = api.get(space.path("resourcequotas", "q")).ok().get("status") or {}
        return "count/jobs.batch" in (status.get("hard") or {})

    eventually("the quota counts", counted)
    api.post(space.jobs(), job("a")).ok(201)
    reply = api.post(space.jobs(), job("b"))
    assert (reply.code, reply.reason) == (403, "Forbidden")
    expected = "exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=1, limited: count/jobs.batch=1"
    assert reply.message == f'jobs.batch "b" is forbidden: {expected}'

    def refused() -> list[Json]:
        selector = "involvedObject.kind=Job,reason=FailedCreate"
        items: list[Json] = api.get(space.path("events"), fieldSelector=selector).ok()["items"]
        return items

    event = eventually("an event tells of the refusal", refused)[0]
    assert event["message"].startswith('Error creating: pods "a-')
    assert "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0" in event["message"]


def test_quota_counts_what_pods_request(api: Api, space: Space) -> None:
    hard = {"requests.ephemeral-storage": "1Gi", "limits.memory": "512Mi"}
    api.post(space.path("resourcequotas"), {"metadata": {"name": "q"}, "spec": {"hard": hard}}).ok(201)

    def in_use() -> Json:
        used: Json = (api.get(space.path("resourcequotas", "q")).ok().get("status") or {}).get("used") or {}
        return used

    def pod(name: str, requests: Json, limits: Json) -> Json:
        container = {"name": "main", "image": "x", "resources": {"requests": requests, "limits": limits}}
        # No node has it: the Pods only wait.
        return {"metadata": {"name": name}, "spec": {"nodeSelector": {"no": "node"}, "containers": [container]}}

    eventually("nothing is in use", lambda: in_use() == {"requests.ephemeral-storage": "0", "limits.memory": "0"})
    api.post(space.path("pods"), pod("a", {"ephemeral-storage": "768Mi"}, {"memory": "256Mi"})).ok(201)
    eventually(
        "the first Pod counts", lambda: in_use() == {"requests.ephemeral-storage": "768Mi", "limits.memory": "256Mi"}
    )
    api.post(space.path("pods"), pod("b", {}, {"memory": "128Mi"})).ok(201)
    eventually("the second Pod counts", lambda: in_use()["limits.memory"] == "384Mi")
    reply = api.post(space.path("pods"), pod("c", {"ephemeral-storage": "512Mi"}, {"memory": "256Mi"}))
    assert (reply.code, reply.reason) == (403, "Forbidden")
    assert reply.message == (
        'pods "c" is forbidden: exceeded quota: q, '
        "requested: limits.memory=256Mi,requests.ephemeral-storage=512Mi, "
        "used: limits.memory=384Mi,requests.ephemeral-storage=768Mi, "
        "limited: limits.memory=512Mi,requests.ephemeral-storage=1Gi"
    )
    reply = api.post(space.path("pods"), pod("d", {"ephemeral-storage": "1Mi"}, {}))
    assert reply.message == 'pods "d" is forbidden: failed quota: q: must specify limits.memory for: main'


def test_eviction(api: Api, space: Space, image: str) -> None:
    ignore = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    body = job("a", "exec sleep 60", image, podFailurePolicy={"rules": [ignore]})
    api.post(space.jobs(), body).ok(201)
    [name] = eventually("a Pod runs", lambda: running(api, space, "a"), 60)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    api.post(space.path("pods", name, "eviction"), eviction).ok(201)
    seen = api.get(space.path("pods", name)).body
    if seen["kind"] == "Pod":
        assert (condition(seen, "DisruptionTarget") or {})["reason"] == "EvictionByEvictionAPI"

    def replaced() -> bool:
        return any(other != name for other in running(api, space, "a"))

    eventually("another Pod runs", replaced, 60)
    status = api.get(space.jobs("a")).ok()["status"]
    assert "failed" not in status
    api.delete(space.jobs("a"), {"propagationPolicy": "Background"}).ok()


def test_strategic_patch_merges_conditions_and_containers(api: Api, space: Space) -> None:
    api.post(space.jobs(), job("a", suspend=True)).ok(201)
    container = {"name": "main", "image": "other"}
    reply = api.patch(space.jobs("a"), {"spec": {"template": {"spec": {"containers": [container]}}}}, STRATEGIC)
    assert reply.code == 422
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert api.patch(space.jobs("a"), labels, STRATEGIC).ok()["metadata"]["labels"]["a"] == "b"
