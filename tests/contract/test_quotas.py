"""What a ResourceQuota refuses, and what it counts."""

from __future__ import annotations

from tests.contract.cleanup import Space
from tests.contract.client import Api, Json
from tests.contract.jobs import job
from tests.support.polling import eventually


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
