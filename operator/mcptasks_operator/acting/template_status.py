"""Writes what a template's status says of its workers, and posts Events about what keeps them from being ready."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeError
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES
from mcptasks.kube.watch_cache import Key
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks_operator.acting.events import EventPoster
from mcptasks_operator.deciding.decisions import Notice
from mcptasks_operator.deciding.pool_report import PoolReport, is_news, pool_status
from mcptasks_operator.deciding.worker_manifests import TemplateObject
from mcptasks_operator.metrics import OperatorMetrics
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.watched_kinds import WatchedKind

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 1.0
"""How long a change has to last before it is written, and how far apart writes are at least: tasks come and go."""

REFUSED_SECONDS = 60.0
"""Pause after a write that the API server refuses, as before an upgrade of CRDs or of rights is complete."""


@dataclass
class _Writing:
    """When a template's status was last written, and since when it differs."""

    not_before: float = 0.0
    differs_since: float | None = None


@dataclass(eq=False)
class TemplateStatuses:
    """The statuses of all templates that have workers. `clock` is monotonic."""

    kube: KubeClient
    cache: Cache
    events: EventPoster
    metrics: OperatorMetrics = field(default_factory=OperatorMetrics)
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = utc_now
    _writing: dict[Key, _Writing] = field(default_factory=dict)

    async def report(self, template: TemplateObject, report: PoolReport | None) -> float | None:
        """Have the template's status say this, nothing for None; gives in how many seconds to look again, if at all."""
        if report is not None and report.cause is not None:
            self.events.post_about_template(
                template, Notice("Warning", report.cause.reason.value, report.cause.message)
            )
        self.metrics.pool((template.namespace, template.name), None if report is None else report.counts)
        before = template.status
        after = {} if report is None else pool_status(before, report, template.generation, self.now())
        writing = self._writing.setdefault((template.namespace, template.name), _Writing())
        if after == before:
            writing.differs_since = None
            return None
        moment = self.clock()
        if writing.differs_since is None:
            writing.differs_since = moment
        settled = moment if is_news(before, after) else writing.differs_since + SETTLE_SECONDS
        due = max(settled, writing.not_before)
        if moment < due:
            return due - moment
        writing.differs_since = None
        written = await self._write(template, dict.fromkeys(before) | after)
        writing.not_before = moment + (SETTLE_SECONDS if written else REFUSED_SECONDS)
        return None if written else REFUSED_SECONDS

    async def _write(self, template: TemplateObject, status: JsonObject) -> bool:
        """Gives whether it was written. That workers cannot be shown must not keep them from work."""
        body = {"metadata": {"uid": template.uid}, "status": status}
        try:
            written = await self.kube.patch(
                MCP_TASK_TEMPLATES, template.name, body, template.namespace, subresource="status"
            )
            self.cache.put(WatchedKind.TEMPLATE, written)
        except KubeError as error:
            logger.warning("the status of McpTaskTemplate %s cannot be written: %s", template.name, error)
            return False
        return True
