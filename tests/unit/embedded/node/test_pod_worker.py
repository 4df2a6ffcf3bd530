"""Stopping a Pod: its processes first, whatever else goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from mcptasks_embedded.node.container_runtime import ContainerRun
from mcptasks_embedded.node.node_services import NodeServices
from mcptasks_embedded.node.pod_addresses import pod_addresses
from mcptasks_embedded.node.pod_worker import PodStop, PodWorker

POD: dict[str, Any] = {
    "metadata": {"name": "a", "namespace": "default", "uid": "1"},
    "spec": {"containers": [{"name": "one", "image": "i"}, {"name": "two", "image": "i"}]},
}


@dataclass
class NotedEvents:
    """Notes what happens, in its order, or fails."""

    happened: list[str]
    broken: bool = False

    def normal(self, _: object, reason: str, message: str) -> None:
        if self.broken:
            raise OSError("no space left on device")
        self.happened.append(f"{reason}: {message}")


@dataclass
class NotedRun:
    """A running container."""

    name: str
    happened: list[str]

    def terminate(self, grace: float) -> None:
        self.happened.append(f"{self.name} has {grace:g} s")


class NoObjects:
    """No objects at all."""

    store = None

    def kind(self, _: str, name: str) -> str:
        return name


@dataclass
class KubeletDouble:
    """What the worker asks for before it runs anything."""

    events: NotedEvents
    objects: NoObjects = field(default_factory=NoObjects)
    tokens: None = None
    addresses: Iterator[str] = field(default_factory=pod_addresses)


def running(directory: Path, *, broken: bool = False) -> tuple[PodWorker, list[str]]:
    happened: list[str] = []
    worker = PodWorker(cast(NodeServices, KubeletDouble(NotedEvents(happened, broken))), POD, directory)
    for name in ("one", "two"):
        worker.runs[name] = cast(ContainerRun, NotedRun(name, happened))
    return worker, happened


def test_processes_are_signalled_before_anything_is_reported(tmp_path: Path) -> None:
    worker, happened = running(tmp_path)
    worker.stop(PodStop(30))
    assert happened == [
        "one has 30 s",
        "two has 30 s",
        "Killing: Stopping container one",
        "Killing: Stopping container two",
    ]


def test_an_event_that_cannot_be_written_keeps_no_process_running(tmp_path: Path) -> None:
    worker, happened = running(tmp_path, broken=True)
    with pytest.raises(OSError, match="no space left"):
        worker.stop(PodStop(30))
    assert happened == ["one has 30 s", "two has 30 s"]


def test_a_pod_that_is_stopped_again_only_gets_less_time(tmp_path: Path) -> None:
    worker, happened = running(tmp_path)
    worker.stop(PodStop(30))
    happened.clear()
    worker.stop(PodStop(0))
    assert happened == ["one has 0 s", "two has 0 s"]
