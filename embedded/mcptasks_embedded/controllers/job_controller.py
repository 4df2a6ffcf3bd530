"""The Job controller: carries out the plan that `job_decision` makes."""

from __future__ import annotations

from mcptasks_embedded.controllers.controller import Controller, own_key
from mcptasks_embedded.controllers.job_decision import CONTROLLER, Backoff, JobPlan, decide
from mcptasks_embedded.controllers.job_pods import TRACKING, is_tracked
from mcptasks_embedded.objects import object_meta
from mcptasks_embedded.objects.event_recorder import EventRecorder
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import DeleteOptions
from mcptasks_embedded.store.changes import Change, StoreEntry
from mcptasks_embedded.values import times
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import JOBS, PODS, Ref

_REFUSED_RETRY = 2.0


class JobController(Controller):
    """Keys are Jobs, and Pods that a Job left behind with their tracking finalizer."""

    def __init__(self, objects: Objects, backoff: Backoff) -> None:
        super().__init__("job controller", objects.store)
        self._objects = objects
        self._backoff = backoff
        self._jobs = objects.kind("batch/v1", "Job")
        self._pods = objects.kind("v1", "Pod")
        self._events = EventRecorder(objects, "job-controller")
        self.watch(JOBS, self._job_keys)
        self.watch(PODS, self._pod_keys)

    def _job_keys(self, change: Change) -> list[Ref]:
        if change.type != "DELETED":
            return own_key(change)
        return [pod.ref for pod in self._store.owned_by(change.entry.obj["metadata"]["uid"])]

    def _pod_keys(self, change: Change) -> list[Ref]:
        pod = change.entry.obj
        owner = object_meta.controller_of(pod)
        job = self._store.find_uid(owner["uid"]) if owner else None
        if job is not None and job.ref.resource == JOBS:
            return [job.ref]
        return [change.entry.ref] if is_tracked(pod) else []

    def reconcile(self, key: Ref) -> float | None:
        entry = self._store.get(key)
        if entry is None:
            return None
        if key.resource == PODS:
            if not self._pod_has_job(entry):
                self._untrack(entry.obj)
            return None
        if entry.obj["spec"].get("managedBy", CONTROLLER) != CONTROLLER:
            return None
        return self._sync(entry)

    def _pod_has_job(self, entry: StoreEntry) -> bool:
        owner = object_meta.controller_of(entry.obj)
        return owner is not None and self._store.find_uid(owner["uid"]) is not None

    def _sync(self, entry: StoreEntry) -> float | None:
        job = entry.obj
        uid = job["metadata"]["uid"]
        pods = [item.obj for item in self._store.owned_by(uid) if _controls(uid, item)]
        plan = decide(job, pods, times.now(), self._backoff)
        for pod in plan.delete:
            self._delete(job, pod)
        refused = self._create(job, plan)
        for pod in plan.untrack:
            self._untrack(pod)
        self._objects.set_status(self._jobs, entry, plan.status)
        for event in plan.events:
            record = self._events.normal if event.severity == "Normal" else self._events.warning
            record(job, event.reason, event.message)
        return _REFUSED_RETRY if refused else plan.requeue_after

    def _create(self, job: Json, plan: JobPlan) -> bool:
        """Whether a Pod was refused."""
        for created in range(plan.create):
            try:
                pod = self._objects.create(self._pods, job["metadata"]["namespace"], pod_of(job))
            except ApiError as error:
                self._events.warning(job, "FailedCreate", f"Error creating: {error.message}")
                _lower_active(plan, plan.create - created)
                return True
            self._events.normal(job, "SuccessfulCreate", f"Created pod: {pod.ref.name}")
        return False

    def _delete(self, job: Json, pod: Json) -> None:
        metadata = pod["metadata"]
        options = DeleteOptions(propagation="Background", uid=metadata["uid"])
        self._objects.delete(self._pods, metadata["namespace"], metadata["name"], options)
        self._events.normal(job, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    def _untrack(self, pod: Json) -> None:
        ref = self._pods.ref(pod["metadata"]["namespace"], pod["metadata"]["name"])
        self._objects.remove_finalizer(self._pods, ref, TRACKING)


def _controls(uid: str, entry: StoreEntry) -> bool:
    owner = object_meta.controller_of(entry.obj)
    return entry.ref.resource == PODS and owner is not None and owner["uid"] == uid


def _lower_active(plan: JobPlan, by: int) -> None:
    active = plan.status.get("active", 0) - by
    if active > 0:
        plan.status["active"] = active
    else:
        plan.status.pop("active", None)


def pod_of(job: Json) -> Json:
    """A new Pod of `job`, from its template."""
    template = job["spec"]["template"]
    metadata = dict(template.get("metadata") or {})
    metadata.pop("name", None)
    metadata["generateName"] = f"{job['metadata']['name']}-"
    metadata["finalizers"] = [*(metadata.get("finalizers") or ()), TRACKING]
    metadata["ownerReferences"] = [object_meta.owner_reference("batch/v1", "Job", job)]
    return {"metadata": metadata, "spec": template["spec"]}
