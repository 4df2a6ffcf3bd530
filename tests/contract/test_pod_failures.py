"""Pods of Jobs that do not start, and what their states say."""

from __future__ import annotations

from tests.contract.cleanup import Space
from tests.contract.client import Api, Json
from tests.contract.jobs import condition, finished, job, pods_of, running
from tests.support.polling import eventually


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
