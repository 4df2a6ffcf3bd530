"""Readiness probes: where they ask, and how many answers change a container's readiness."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.node.readiness_probe import HttpProbe, Readiness, after_answer, http_probe

PATIENT = HttpProbe("127.64.0.1", 8080, success_threshold=2, failure_threshold=3)


@pytest.mark.parametrize(
    ("answers", "ready"),
    [
        ((), False),
        ((True,), False),
        ((True, True), True),
        ((True, False, True), False),
        ((True, True, False, False), True),
        ((True, True, False, False, True, False, False), True),
        ((True, True, False, False, False), False),
    ],
)
def test_enough_answers_in_a_row_change_the_readiness(answers: tuple[bool, ...], ready: bool) -> None:
    readiness = Readiness()
    for passed in answers:
        readiness = after_answer(readiness, passed, PATIENT)
    assert readiness.ready is ready


def test_what_the_probe_leaves_out_has_the_defaults_of_the_api_server() -> None:
    container = {"readinessProbe": {"httpGet": {"port": 8080}}}
    assert http_probe(container, "127.64.0.9") == HttpProbe("127.64.0.9", 8080, "/", 0.0, 10.0, 1.0, 1, 3)


def test_a_port_may_be_named() -> None:
    container: dict[str, Any] = {
        "ports": [{"containerPort": 9}, {"name": "ready", "containerPort": 8081}],
        "readinessProbe": {"httpGet": {"port": "ready", "path": "/readyz"}, "periodSeconds": 1},
    }
    probe = http_probe(container, "127.64.0.9")
    assert probe is not None
    assert (probe.port, probe.path, probe.period) == (8081, "/readyz", 1.0)


def test_other_kinds_of_probes_are_not_made() -> None:
    assert http_probe({"readinessProbe": {"exec": {"command": ["true"]}}}, "127.64.0.9") is None
    assert http_probe({}, "127.64.0.9") is None
