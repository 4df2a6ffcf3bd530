"""What the API server last said against the workers of each template."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

from mcptasks.kube.errors import ForbiddenError, InvalidError, KubeError
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.task import Reason
from mcptasks_operator.deciding.pod_spec import InvalidTemplateError
from mcptasks_operator.deciding.start_failures import pod_refused
from mcptasks_operator.deciding.worker_manifests import TemplateObject

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    cause: Diagnosis
    times: int
    until: datetime
    made_from: str


@dataclass(eq=False)
class PodRefusals:
    """Refusals in a row, by the template's uid."""

    _known: dict[str, _Refusal] = field(default_factory=dict)

    def knows(self, uid: str) -> bool:
        """Whether the last try for the template was refused, whatever its workers were made from."""
        return uid in self._known

    def of(self, uid: str, made_from: str) -> Diagnosis | None:
        """Why the template gets no workers, if the last try, with workers of this hash, was refused."""
        found = self._known.get(uid)
        return found.cause if found is not None and found.made_from == made_from else None

    def pause(self, uid: str, made_from: str, now: datetime) -> float | None:
        """For how many seconds not to try again with workers of this hash; None where there is nothing to wait for."""
        found = self._known.get(uid)
        if found is None or found.made_from != made_from or found.until <= now:
            return None
        return (found.until - now).total_seconds()

    def note(
        self, template: TemplateObject, made_from: str, error: InvalidTemplateError | KubeError, now: datetime
    ) -> float:
        """Remember the refusal; returns for how many seconds not to try again.

        Raises:
            KubeError: it is no word on the Pod; the API server did not answer as it should.
        """
        before = self._known.get(template.uid)
        times = before.times + 1 if before is not None else 1
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** (min(times, 16) - 1), MAX_PAUSE_SECONDS)
        until = now + timedelta(seconds=pause)
        self._known[template.uid] = _Refusal(_diagnosis(template, error), times, until, made_from)
        return pause

    def keep(self, uids: set[str]) -> None:
        """Forget those of all other templates."""
        self._known = {uid: refusal for uid, refusal in self._known.items() if uid in uids}

    def forget(self, uid: str) -> None:
        """A worker was made."""
        self._known.pop(uid, None)


def _diagnosis(template: TemplateObject, error: InvalidTemplateError | KubeError) -> Diagnosis:
    if isinstance(error, ForbiddenError):
        return pod_refused(str(error))
    if isinstance(error, KubeError) and not isinstance(error, InvalidError) and error.status != HTTPStatus.BAD_REQUEST:
        raise error
    cause = f"McpTaskTemplate {template.name} makes no valid Pod: {error}"
    return Diagnosis(Reason.INVALID_TEMPLATE, cause, "Correct the template", permanent=True)
