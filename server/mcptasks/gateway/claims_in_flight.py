"""The claims that are being written: for which worker each is, and what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from mcptasks.gateway.claims import RivalChangedError
from mcptasks.gateway.contract import RunOrder, WithdrawOrder
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.worker_claims import WorkerClaims
from mcptasks.gateway.workers import WorkerPod
from mcptasks.kube.errors import KubeError
from mcptasks.model.base import JsonObject

logger = logging.getLogger(__name__)

REFUSED_PAUSE_SECONDS = 5.0
"""How long a task waits whose claim the API server refuses."""

NOT_CLAIMED_PAUSE_SECONDS = 1.0
"""When a task is looked at again that another worker has claimed: it may have been released before that was known."""


@dataclass(frozen=True)
class ClaimEnd:
    """What the worker is told, and in how many seconds the task is to be looked at again, if at all."""

    order: RunOrder | WithdrawOrder
    look_again_after: float | None = None


@dataclass(eq=False)
class ClaimsInFlight:
    """Belongs to the loop of its gateway."""

    claims: WorkerClaims
    _claimants: dict[str, str] = field(default_factory=dict)

    def __contains__(self, uid: str) -> bool:
        """Whether a claim of the task with this uid is being written."""
        return uid in self._claimants

    def of(self, pod_uid: str) -> list[str]:
        """The uids of the tasks that are being claimed for the worker."""
        return [uid for uid, claimant in self._claimants.items() if claimant == pod_uid]

    def begin(self, uid: str, pod: WorkerPod) -> None:
        """A claim of the task is about to be written for the worker."""
        self._claimants[uid] = pod.uid

    def end(self, uid: str) -> None:
        """It has been, or has not."""
        self._claimants.pop(uid, None)

    async def written(
        self, item: JsonObject, pod: WorkerPod, is_connected: Callable[[], bool] = lambda: True
    ) -> ClaimEnd:
        """Write the claim that has begun, if need be again and again for as long as the worker is connected."""
        metadata = item["metadata"]
        withdrawn = WithdrawOrder(uid=metadata["uid"])
        try:
            assignment = await self.claims.claim(item, pod, is_connected)
        except (RivalChangedError, RefusedError) as error:
            logger.info("task %s is not handed to worker %s: %s", metadata["name"], pod.name, error)
            # What the watch has told of it meanwhile has let nobody wait.
            return ClaimEnd(withdrawn, NOT_CLAIMED_PAUSE_SECONDS)
        except KubeError as error:
            logger.error("the claim of task %s is refused: %s", metadata["name"], error)
            return ClaimEnd(withdrawn, REFUSED_PAUSE_SECONDS)
        logger.info("attempt %s of task %s runs in worker %s", assignment.attempt, assignment.task_id, pod.name)
        return ClaimEnd(RunOrder(uid=metadata["uid"], assignment=assignment))
