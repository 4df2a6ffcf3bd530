"""The Pods of tasks, as the API server knows them: the one that calls, and the one that has a task."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from mcptasks.gateway.claims import Rival
from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.pod_tokens import BAD_SECONDS, TokenReviewer, remember
from mcptasks.gateway.pods import PodIdentity, TaskPod, claiming_pod, task_pod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.workers import WorkerPod, worker_pod
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import PODS
from mcptasks.model.base import JsonObject, is_worker


class PodDirectory:
    """Looks Pods up. Those that call are remembered: what is read of them never changes.

    For a few seconds so are those that run no task, and those that are gone.
    """

    def __init__(self, kube: KubeClient, audience: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._clock = clock
        self._reviewer = TokenReviewer(kube, audience)
        self._callers: OrderedDict[str, TaskPod | WorkerPod] = OrderedDict()
        self._foreign: OrderedDict[PodIdentity, tuple[RefusedError, float]] = OrderedDict()

    async def identify(self, token: str, peer: str = "") -> TaskPod | WorkerPod:
        """The Pod, a task's or a worker's, that the token, which came from this address, belongs to.

        Raises RefusedError, KubeError.
        """
        identity = await self._reviewer.identify(token, peer)
        known = self._callers.get(identity.uid)
        if known is not None and known.identity == identity:
            return known
        foreign = self._foreign.get(identity)
        if foreign is not None and self._clock() < foreign[1]:
            raise RefusedError(foreign[0].code, str(foreign[0]))
        try:
            pod = await self._read(identity)
        except RefusedError as error:
            remember(self._foreign, identity, (error, self._clock() + BAD_SECONDS))
            raise
        remember(self._callers, identity.uid, pod)
        return pod

    async def _read(self, identity: PodIdentity) -> TaskPod | WorkerPod:
        try:
            pod = await self._kube.get(PODS, identity.name, identity.namespace)
            return worker_pod(pod, identity) if is_worker(pod) else task_pod(pod, identity)
        except NotFoundError as error:
            raise RefusedError(RefusalCode.NOT_A_TASK_POD, f"Pod {identity.name} is gone") from error

    async def rival(self, pod: TaskPod, item: JsonObject) -> Rival | None:
        """The Pod that has claimed the task, unless that is the given one itself.

        Raises RefusedError where it cannot be read, KubeError.
        """
        status = item.get("status") or {}
        name, uid = status.get("podName"), status.get("podUid")
        if not uid or uid == pod.uid:
            return None
        if not name:
            return Rival(uid)
        try:
            found = await self._kube.get(PODS, name, pod.namespace)
        except NotFoundError:
            return Rival(uid)
        identity = PodIdentity(pod.namespace, name, uid)
        return Rival(uid, claiming_pod(found, identity, pod.task_name, pod.task_uid))
