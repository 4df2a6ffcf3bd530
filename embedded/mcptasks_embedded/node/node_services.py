"""What the kubelet shares with the workers of its Pods."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mcptasks_embedded.access.tokens import Tokens
from mcptasks_embedded.node.container_runtime import Runtime
from mcptasks_embedded.objects.event_recorder import EventRecorder
from mcptasks_embedded.objects.operations import Objects

OnOutput = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class NodeServices:
    """What all Pods of the node use.

    `entrypoint`, `environment` and `working_directory` stand for the image's: a container's own take precedence.
    `on_output(pod, container, line)` sees every line that containers print. `capacity` is the node's, by resource.
    `cluster_id` begins the markers by which containers' processes are found. `addresses` are those of the Pods to come.
    """

    objects: Objects
    tokens: Tokens
    runtime: Runtime
    events: EventRecorder
    entrypoint: list[str]
    cluster_id: str
    capacity: dict[str, str]
    environment: Mapping[str, str]
    working_directory: Path | None
    addresses: Iterator[str]
    on_output: OnOutput | None = None
