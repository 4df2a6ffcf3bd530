"""A test that fails leaves nothing in the cluster."""

from __future__ import annotations

import secrets

import pytest

from tests.contract.cleanup import CRDS, GROUP_PREFIX, Space, temporary_definition, temporary_space
from tests.contract.client import Api
from tests.contract.conftest import Widgets
from tests.contract.widgets import widget_crd
from tests.support.polling import eventually

HELD = {"name": "held", "finalizers": ["contract.dev/hold"]}


def leave_objects_and_fail(api: Api, widgets: Widgets) -> None:
    """What a test does that fails before it lets go of what it holds."""
    api.post(widgets.space.path("configmaps"), {"metadata": HELD}).ok(201)
    api.post(widgets.path(), {**widgets.body("held"), "metadata": HELD}).ok(201)
    raise ZeroDivisionError


def fail_in_a_space(api: Api, group: str, used: list[Space]) -> None:
    with temporary_space(api) as space:
        used.append(space)
        leave_objects_and_fail(api, Widgets(group, space))


def test_objects_that_are_held_go_with_their_namespace(api: Api, widget_group: str) -> None:
    used: list[Space] = []
    with pytest.raises(ZeroDivisionError):
        fail_in_a_space(api, widget_group, used)
    eventually("the namespace is gone", lambda: api.get(used[0].own_path).code == 404, 60)


def test_definitions_go_with_their_objects(api: Api, space: Space) -> None:
    crd = widget_crd(f"{GROUP_PREFIX}{secrets.token_hex(3)}.mcptasks.dev")
    with pytest.raises(ZeroDivisionError), temporary_definition(api, crd):
        leave_objects_and_fail(api, Widgets(crd["spec"]["group"], space))
    assert api.get(f"{CRDS}/{crd['metadata']['name']}").code == 404
