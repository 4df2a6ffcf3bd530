"""Names of Kubernetes objects."""

from __future__ import annotations

import re

import pytest

from mcptasks.model.names import (
    MAX_TASK_NAME,
    is_task_name,
    is_template_name,
    keyed_task_name,
    label_value,
    task_name,
)

COMPONENTS = ["report", "a" * 200, "Ünïcode tool!", "file:///etc/passwd", "--", "9lives", "A.B_c"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_task_name_is_a_dns_label_that_leaves_room_for_the_pods(component: str) -> None:
    name = task_name(component)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= MAX_TASK_NAME
    assert is_task_name(name)


def test_a_task_name_cannot_be_guessed() -> None:
    names = {task_name("report") for _ in range(1000)}
    assert len(names) == 1000
    assert all(len(name.rsplit("-", 1)[1]) == 26 for name in names)


def test_a_keyed_name_depends_on_every_part_and_nothing_else() -> None:
    name = keyed_task_name("report", "secret", "alice", "key")
    assert name == keyed_task_name("report", "secret", "alice", "key")
    assert name != keyed_task_name("report", "secret", "bob", "key")
    assert name != keyed_task_name("report", "secret", "alicekey", "")


@pytest.mark.parametrize("text", ["report", "", "a-b.c_d", *COMPONENTS, "x" * 64, "-lead", "trail-"])
def test_a_label_value_is_always_allowed(text: str) -> None:
    assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", label_value(text))


def test_a_line_feed_is_not_part_of_a_label_value() -> None:
    assert label_value("report\n") != "report\n"


def test_label_values_of_different_texts_differ() -> None:
    assert len({label_value("x" * n) for n in range(60, 120)}) == 60


@pytest.mark.parametrize("text", ["", "../pods", "A", "a/b", "a" * 254, "a\n", "x?y", "%2e"])
def test_what_is_not_a_name_never_reaches_a_path(text: str) -> None:
    assert not is_task_name(text)


@pytest.mark.parametrize("text", ["default", "gpu-80gb", "team.gpu", "0", "a" * 253])
def test_what_an_object_of_kubernetes_can_be_called_is_a_template_name(text: str) -> None:
    assert is_template_name(text)


@pytest.mark.parametrize(
    "text", ["", "Gpu", "my_gpu", "-gpu", "gpu-", "a..b", "a.-b", "my gpu", "gpu\n", "ä", "a" * 254]
)
def test_what_no_object_of_kubernetes_can_be_called_is_none(text: str) -> None:
    assert not is_template_name(text)
