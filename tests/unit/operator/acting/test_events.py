"""Kubernetes events about tasks."""

from __future__ import annotations

import re

from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks_operator.acting.events import make_event, make_template_event
from mcptasks_operator.deciding.decisions import Notice
from mcptasks_operator.deciding.worker_manifests import TemplateObject
from tests.unit.operator.builders import TASK, UID, at, make_task

FAILED = Notice("Warning", "OOMKilled", "the process was killed")


def test_an_event_is_about_its_task() -> None:
    event = make_event(make_task(), FAILED, "me", at(5))
    assert event["involvedObject"] == {
        "apiVersion": "mcptasks.dev/v1alpha1",
        "kind": "McpTask",
        "name": TASK,
        "namespace": "default",
        "uid": UID,
        "resourceVersion": "7",
    }
    assert event["metadata"]["namespace"] == "default"
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "OOMKilled", "the process was killed")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-11-22T12:00:05Z"


def test_the_same_fact_has_the_same_name_whoever_posts_it() -> None:
    first = make_event(make_task(), FAILED, "me", at(5))["metadata"]["name"]
    again = make_event(make_task(), FAILED, "another", at(50))["metadata"]["name"]
    assert first == again
    assert re.fullmatch(rf"{TASK}\.[0-9a-f]{{16}}", first)


def test_other_facts_and_other_tasks_have_other_names() -> None:
    name = make_event(make_task(), FAILED, "me", at(5))["metadata"]["name"]
    other_fact = make_event(make_task(), Notice("Normal", "JobCreated", ""), "me", at(5))
    other_task = make_event(make_task(metadata={"uid": "another"}), FAILED, "me", at(5))
    assert len({name, other_fact["metadata"]["name"], other_task["metadata"]["name"]}) == 3


def test_a_long_message_is_cut_to_what_the_api_server_takes() -> None:
    assert len(make_event(make_task(), Notice("Normal", "X", "y" * 5000), "me" * 100, at(5))["message"]) == 1024


def test_the_same_fact_about_a_template_is_an_event_once_an_hour() -> None:
    template = TemplateObject("team", "warm", "uid", McpTaskTemplateSpec())
    events = [make_template_event(template, FAILED, "me", at(seconds)) for seconds in (0, 60, 7200)]
    assert events[0]["involvedObject"]["kind"] == "McpTaskTemplate"
    assert events[0]["metadata"]["name"] == events[1]["metadata"]["name"] != events[2]["metadata"]["name"]
