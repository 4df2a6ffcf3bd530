"""Which Pod's log is to be kept now. Pure.

The log of a task's own Pod goes with the Pod: when a node is drained, when the task is cancelled, when the kubelet has
rotated it away. So it is read as soon as nothing more will come of it, or the Pod is being deleted. A worker hands in
what its tasks have printed, so that its log is nothing to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcptasks.model.task import McpTask
from mcptasks.model.task_template import Executor
from mcptasks_operator.deciding.object_facts import PodFacts


@dataclass(frozen=True, slots=True)
class EndingLog:
    """A log of which no more is to come than what its process prints while it ends.

    `ended`: nothing more comes.
    """

    pod: str
    pod_uid: str
    container: str
    attempt: int
    ended: bool


def log_to_keep(task: McpTask, pods: Sequence[PodFacts]) -> EndingLog | None:
    """The log of the task's last attempt, once that ends.

    None where it goes on, where its log is kept already, and where nobody can read it, because its node is lost.
    """
    status = task.status
    if task.metadata.deletion_timestamp is not None or status.executor == Executor.WARM.value:
        return None
    own = [pod for pod in pods if pod.worker is None]
    last = max(own, key=lambda pod: (pod.created_at, pod.name), default=None)
    if last is None or last.gone_at is not None or not last.started:
        return None
    if last.node_lost or not (last.ended or last.deleting or task.terminal):
        return None
    number = status.attempts or 1
    if status.pod_uid not in (None, last.uid) and not task.terminal:
        # It has ended, or is being deleted, before it had the task.
        return None
    if status.log is not None and (status.log.attempt or 0) >= number:
        return None
    return EndingLog(last.name, last.uid, last.runner.name, number, last.ended)
