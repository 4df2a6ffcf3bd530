"""Which templates have other workers made when the code has changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from mcptasks.dev.default_templates import job_template, named, new_code_patch, warm_template
from mcptasks.dev.dev_loop import renew_warm_templates
from mcptasks.kube.api_client import KubeClient, ObjectList
from mcptasks.kube.errors import ForbiddenError, KubeError, NotFoundError
from mcptasks.kube.kinds import Resource
from mcptasks.model.base import JsonObject

pytestmark = pytest.mark.anyio


@dataclass
class Templates:
    """Stands in for `KubeClient`."""

    items: list[JsonObject]
    failing: dict[str, KubeError] = field(default_factory=dict)
    patches: dict[str, JsonObject] = field(default_factory=dict)

    async def list(self, resource: Resource, namespace: str) -> ObjectList:
        return ObjectList(self.items, "1")

    async def patch(self, resource: Resource, name: str, body: JsonObject, namespace: str) -> None:
        if name in self.failing:
            raise self.failing[name]
        self.patches[name] = body


async def test_all_warm_templates_get_the_new_code_whatever_becomes_of_one() -> None:
    templates = Templates(
        [named(warm_template("server.py"), name) for name in ("gone", "mine", "held", "default")]
        + [named(job_template(), "cold")]
    )
    forbidden = ForbiddenError(403, "Forbidden", "no")
    templates.failing = {"gone": NotFoundError(404, "NotFound", "gone"), "held": forbidden}
    assert await renew_warm_templates(cast(KubeClient, templates), "default", "d1") == [forbidden]
    assert templates.patches == {"mine": new_code_patch("d1"), "default": new_code_patch("d1")}
