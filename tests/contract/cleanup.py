"""Throw-away namespaces and definitions that go even when the test that uses them fails."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.contract.client import Api
from tests.support.polling import eventually

GROUP_PREFIX = "contract-"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class Space:
    """A throw-away namespace and the paths in it."""

    name: str

    @property
    def own_path(self) -> str:
        return f"/api/v1/namespaces/{self.name}"

    def path(self, plural: str, name: str = "", sub: str = "", group: str = "v1") -> str:
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        return "/".join(part for part in (f"{root}/namespaces/{self.name}/{plural}", name, sub) if part)

    def jobs(self, name: str = "", sub: str = "") -> str:
        return self.path("jobs", name, sub, "batch/v1")


@contextmanager
def temporary_space(api: Api) -> Iterator[Space]:
    """A namespace that is told to go at the end, with all that is in it."""
    space = Space(f"contract-{secrets.token_hex(4)}")
    try:
        api.post("/api/v1/namespaces", {"metadata": {"name": space.name}}).ok(201)
        eventually(
            "the namespace has its account", lambda: api.get(space.path("serviceaccounts", "default")).code == 200
        )
        yield space
    finally:
        api.delete(space.own_path)
        _release(api, [space.path("configmaps"), *(space.path(plural, group=group) for group, plural in _custom(api))])


@contextmanager
def temporary_definition(api: Api, crd: dict[str, Any]) -> Iterator[None]:
    """A CustomResourceDefinition that is served inside and gone at the end."""
    spec, name = crd["spec"], crd["metadata"]["name"]
    everywhere = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    try:
        api.post(CRDS, crd).ok(201)
        eventually("the definition is served", lambda: api.get(everywhere).code == 200, 60)
        yield
    finally:
        api.delete(f"{CRDS}/{name}")
        _release(api, [everywhere])
        eventually("the definition is gone", lambda: api.get(f"{CRDS}/{name}").code == 404, 60)


def _custom(api: Api) -> list[tuple[str, str]]:
    """(group and version, plural) of the custom resources that contract tests defined."""
    groups = [group for group in api.get("/apis").ok()["groups"] if group["name"].startswith(GROUP_PREFIX)]
    versions = [group["preferredVersion"]["groupVersion"] for group in groups]
    resources = [(version, api.get(f"/apis/{version}").body.get("resources", ())) for version in versions]
    return [(version, item["name"]) for version, items in resources for item in items if "/" not in item["name"]]


def _release(api: Api, paths: list[str]) -> None:
    """Take off the finalizers of the objects under `paths`; whatever is gone already is fine."""
    for path in paths:
        root = path.partition("/namespaces/")[0] if "/namespaces/" in path else path.rpartition("/")[0]
        plural = path.rpartition("/")[2]
        for item in api.get(path).body.get("items", ()):
            metadata = item["metadata"]
            if metadata.get("finalizers"):
                where = f"{root}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"
                api.patch(where, {"metadata": {"finalizers": None}})
