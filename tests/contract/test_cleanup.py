"""A test that fails leaves nothing in the cluster."""

from __future__ import annotations

import secrets

import pytest

from tests.contract.cleanup import CRDS, GROUP_PREFIX, temporary_definition, temporary_space
from tests.contract.client import Api, eventually
from tests.contract.conftest import Widgets
from tests.contract.widgets import widget_crd


class Failure(Exception):
    """What a test may die of."""


def test_objects_that_are_held_go_with_their_namespace(api: Api, widget_group: str) -> None:
    with pytest.raises(Failure), temporary_space(api) as space:
        held = {"name": "held", "finalizers": ["contract.dev/hold"]}
        widgets = Widgets(widget_group, space)
        api.post(space.path("configmaps"), {"metadata": held}).ok(201)
        api.post(widgets.path(), {**widgets.body("held"), "metadata": held}).ok(201)
        raise Failure
    eventually(lambda: api.get(space.own_path).code == 404, 60)


def test_definitions_go_with_their_objects(api: Api) -> None:
    crd = widget_crd(f"{GROUP_PREFIX}{secrets.token_hex(3)}.mcptasks.dev")
    with temporary_space(api) as space:
        with pytest.raises(Failure), temporary_definition(api, crd):
            widgets = Widgets(crd["spec"]["group"], space)
            held = {"name": "held", "finalizers": ["contract.dev/hold"]}
            api.post(widgets.path(), {**widgets.body("held"), "metadata": held}).ok(201)
            raise Failure
        assert api.get(f"{CRDS}/{crd['metadata']['name']}").code == 404
