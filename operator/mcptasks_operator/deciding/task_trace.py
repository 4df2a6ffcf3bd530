"""A task's life as spans, told once it is over, by what its status and its Pods say. Pure.

```
tools/call report            the server's span of the call (in `spec.traceContext`)
  task report                from creation until the end
    queue                    until its Pod was made; with executor Warm, until a worker had it
    schedule                 until the Pod had a node
    start                    image, container and the program's own start
    run                      until the outcome
    cancel                   from the order until no process was left
    execute_tool report      the process's own span, sent by itself
```

Attempts that were lost before the last one are `run` as well, with what ended them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from mcptasks.model.lifecycle import PODS_TERMINATED, created_at, pods_are_gone
from mcptasks.model.task import ComponentKind, McpTask, McpTaskStatus, Phase
from mcptasks.tracing.call_spans import component_attributes
from mcptasks.tracing.span_ids import TASK, span_id
from mcptasks.tracing.task_spans import TaskSpan
from mcptasks.tracing.trace_contexts import is_sampled
from mcptasks_operator.deciding.object_facts import PodFacts, TerminatedState


def trace_is_due(task: McpTask) -> bool:
    """Whether the task's life is over and has not been told, and its trace is one that is kept."""
    return (
        task.terminal
        and task.status.finished_at is not None
        and not task.status.trace_sent
        and pods_are_gone(task)
        and is_sampled(task.spec.trace_context)
    )


def spans_of(task: McpTask, pods: Sequence[PodFacts]) -> tuple[TaskSpan, ...]:
    """The spans of a task for which `trace_is_due`. They have the same ids whenever they are made."""
    return tuple(_Life(task, pods).spans())


class _Life:
    """One task's times. A part never begins before the one before it has ended: Pods' times are whole seconds."""

    def __init__(self, task: McpTask, pods: Sequence[PodFacts]) -> None:
        self._task = task
        self._status: McpTaskStatus = task.status
        self._earlier = [pod for pod in pods if pod.uid != self._status.pod_uid and pod.started]
        self._last = next((pod for pod in pods if pod.uid == self._status.pod_uid and pod.worker is None), None)
        self._created = created_at(task)
        self._finished = max(self._status.finished_at or self._created, self._created)

    def spans(self) -> Iterator[TaskSpan]:
        terminated = self._status.condition(PODS_TERMINATED)
        gone = None if terminated is None else terminated.last_transition_time
        cancelled = self._task.phase is Phase.CANCELLED
        end = max(gone, self._finished) if cancelled and gone is not None else self._finished
        error = self._status.reason if self._task.phase is Phase.FAILED else None
        yield self._span(TASK, f"task {self._called}", self._created, end, error)
        for pod in self._earlier:
            yield self._lost_attempt(pod)
        yield from self._before_run()
        if self._status.started_at is not None:
            begun = self._within(self._status.started_at)
            yield self._span("run", "run", begun, self._finished, error)
        if cancelled:
            yield self._span("cancel", "cancel", self._finished, end)

    @property
    def _called(self) -> str:
        """Of a tool or prompt its name. A URI may be of any length and number, and has arguments in it."""
        component = self._task.spec.component
        named = component.kind in (ComponentKind.TOOL, ComponentKind.PROMPT)
        return component.name if named else component.kind.value

    def _before_run(self) -> Iterator[TaskSpan]:
        """How the last attempt came to its start, or how far it came."""
        running = self._within(self._status.started_at or self._finished)
        pod = self._last
        begun = self._created if not self._earlier else min(max(p.ended_at for p in self._earlier), running)
        made = running if pod is None else min(max(pod.created_at, begun), running)
        yield self._span("queue", "queue", begun, made)
        if pod is None:
            return
        placed = running if pod.scheduled_at is None else min(max(pod.scheduled_at, made), running)
        yield self._span("schedule", "schedule", made, placed)
        if pod.scheduled_at is not None:
            yield self._span("start", "start", placed, running)

    def _lost_attempt(self, pod: PodFacts) -> TaskSpan:
        state = pod.runner.state
        ended = state.finished_at if isinstance(state, TerminatedState) and state.finished_at else pod.ended_at
        error = pod.reason or (state.reason if isinstance(state, TerminatedState) else "") or "Lost"
        begun = self._within(pod.started_at or pod.created_at)
        return self._span(f"run/{pod.uid}", "run", begun, self._within(max(ended, begun)), error)

    def _within(self, moment: datetime) -> datetime:
        return min(max(moment, self._created), self._finished)

    def _span(self, key: str, name: str, start: datetime, end: datetime, error: str | None = None) -> TaskSpan:
        task, parent = self._task, None if key == TASK else span_id(self._task.uid)
        return TaskSpan(
            name=name,
            trace=(task.spec.trace_context.traceparent if task.spec.trace_context else None) or "",
            span_id=span_id(task.uid, key),
            parent_id=parent,
            start=start,
            end=max(start, end),
            attributes=self._attributes() | ({} if error is None else {"error.type": error}),
            error=error,
        )

    def _attributes(self) -> dict[str, str | int]:
        task, status = self._task, self._status
        found: dict[str, str | int | None] = {
            **component_attributes(task.spec.component.kind, task.spec.component.name),
            "mcptasks.task.id": task.name,
            "mcptasks.task.phase": task.phase.value,
            "mcptasks.task.reason": status.reason,
            "mcptasks.task.template": task.spec.template_ref.name,
            "mcptasks.task.executor": status.executor,
            "mcptasks.task.attempts": status.attempts,
            "k8s.namespace.name": task.namespace,
            "k8s.job.name": status.job_name,
            "k8s.pod.name": status.pod_name,
            "k8s.node.name": status.node_name,
        }
        return {key: value for key, value in found.items() if value is not None}
