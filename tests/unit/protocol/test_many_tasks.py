"""What thousands of tasks cost: which of them are looked at, and what is kept in memory."""

from __future__ import annotations

import logging

import pytest

from mcptasks.kube.watch_cache import without_bookkeeping
from mcptasks.model.base import JsonObject
from mcptasks.tasks.task_list import PAGE_SIZE
from tests.unit.protocol.conftest import Endpoint


def old_task(name: str, **spec: object) -> JsonObject:
    """A task of the year 2000; without a component it does not fit the model."""

    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "resourceVersion": "1",
            "creationTimestamp": "2000-01-01T00:00:00Z",
        },
        "spec": {"server": "default"} | spec,
    }


class TestListing:
    def test_only_what_the_page_shows_is_parsed(
        self, single_user_endpoint: Endpoint, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(PAGE_SIZE + 1):
            single_user_endpoint.make()
        single_user_endpoint.service.cache.add(old_task("broken"))
        with caplog.at_level(logging.ERROR):
            page = single_user_endpoint.old("tasks/list").result
            assert len(page["tasks"]) == PAGE_SIZE
            assert caplog.messages == []

            rest = single_user_endpoint.old("tasks/list", {"cursor": page["nextCursor"]}).result
            assert len(rest["tasks"]) == 1
            assert "broken does not fit the model" in caplog.text

    def test_tasks_of_others_are_not_listed(self, single_user_endpoint: Endpoint) -> None:
        component = {"kind": "tool", "name": "add"}
        cache = single_user_endpoint.service.cache
        cache.add(old_task("of-another-server", component=component, server="another"))
        cache.add(old_task("of-somebody", component=component, principal={"clientId": "c", "subject": "s"}))
        listed: list[str] = []
        cursor: JsonObject | None = {}
        while cursor is not None:
            page = single_user_endpoint.old("tasks/list", cursor).result
            listed += [task["taskId"] for task in page["tasks"]]
            cursor = {"cursor": page["nextCursor"]} if "nextCursor" in page else None
        assert not {"of-another-server", "of-somebody"} & set(listed)


class TestMemory:
    def test_what_only_appliers_read_is_not_kept(self) -> None:
        item = old_task("a")
        item["metadata"] |= {
            "managedFields": [{"manager": "kubectl"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "mine"},
        }
        kept = without_bookkeeping(item)
        assert kept["metadata"] == old_task("a")["metadata"] | {"annotations": {"note": "mine"}}
        assert "managedFields" in item["metadata"], "what is given is not changed"

    def test_a_large_result_can_be_read_all_the_same(self, single_user_endpoint: Endpoint) -> None:
        task_id = single_user_endpoint.make()
        text = "x" * 50_000
        single_user_endpoint.complete(task_id, {"content": [{"type": "text", "text": text}]})
        known = single_user_endpoint.service.cache.get("default", task_id)
        assert known is not None
        assert "text" not in known["status"]["result"]
        assert single_user_endpoint.result(task_id)["content"][0]["text"] == text
