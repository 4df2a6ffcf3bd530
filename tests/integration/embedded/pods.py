"""Pods for tests, and waiting for what becomes of them."""

from __future__ import annotations

from typing import Any

from tests.contract.cleanup import Space
from tests.contract.client import Api
from tests.support.polling import eventually

Json = dict[str, Any]


def pod(name: str, command: list[str] | None = None, container: Json | None = None, **spec: Any) -> Json:
    main: Json = {"name": "main", "image": "x", **(container or {})}
    if command is not None:
        main["command"] = command
    return {
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [main], **spec},
    }


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def start(api: Api, space: Space, body: Json) -> Json:
    made: Json = api.post(space.path("pods"), body).ok(201)
    return made


def read(api: Api, space: Space, name: str) -> Json:
    found: Json = api.get(space.path("pods", name)).ok()
    return found


def wait_phase(api: Api, space: Space, name: str, *phases: str, seconds: float = 60) -> Json:
    def look() -> Json | None:
        found = read(api, space, name)
        return found if found["status"].get("phase") in phases else None

    found: Json = eventually(f"{name} is {' or '.join(phases)}", look, seconds)
    return found


def ended(api: Api, space: Space, name: str) -> Json:
    """The Pod once it is over, with the terminated state of its first container."""
    return wait_phase(api, space, name, "Succeeded", "Failed")


def terminated(found: Json) -> Json:
    state: Json = found["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


def log(api: Api, space: Space, name: str, **query: Any) -> str:
    reply = api.get(space.path("pods", name, "log"), **query)
    assert reply.code == 200, reply.body
    return str(reply.body)


def gone(api: Api, space: Space, name: str, seconds: float = 60) -> None:
    eventually(f"{name} is gone", lambda: api.get(space.path("pods", name)).code == 404, seconds)
