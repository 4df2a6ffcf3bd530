"""`mcptasks describe`: everything about a task in one place."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from itertools import chain, repeat
from typing import Annotated

import typer

from mcptasks.cli.cluster_options import ContextOption, KubeconfigOption, NamespaceOption
from mcptasks.cli.cluster_session import ClusterOptions, ClusterSession
from mcptasks.cli.colours import with_phases
from mcptasks.cli.task_completion import complete_task
from mcptasks.cli.task_description import TaskFacts, describe
from mcptasks.cli.task_selection import AllNamespacesOption, AllOption, SelectorOption, TaskSelection, on_each_task
from mcptasks.diagnostics.visible_text import visible
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import EVENTS, JOBS
from mcptasks.kube.task_attempts import Attempt, attempts_of, lines_in_worker, log_of, runs_in_worker
from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import lines_of
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.log_records import log_text
from mcptasks.model.task import McpTask

LOG_LINES = 10


def command(
    names: Annotated[list[str] | None, typer.Argument(help="Tasks to describe.", autocompletion=complete_task)] = None,
    selector: SelectorOption = None,
    all_tasks: AllOption = False,
    all_namespaces: AllNamespacesOption = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show everything about a task: spec, status, conditions, attempts, times, events, last log lines.

    \b
    Example:
      mcptasks describe report-x5b2c7
      mcptasks describe -l mcptasks.dev/component=report
    """
    options = ClusterOptions(kubeconfig, context, namespace)
    separators = chain([""], repeat("\n\n"))
    selection = TaskSelection(names or (), selector, all_tasks, all_namespaces)
    on_each_task(options, selection, lambda cluster, name: _describe(cluster, name, next(separators)))


async def _describe(cluster: ClusterSession, name: str, separator: str) -> None:
    facts = await gather(cluster, name)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = visible(describe(facts, width)).split("\n")
    text = "\n".join(with_phases(line, sys.stdout) if line.strip().startswith("Phase:") else line for line in lines)
    typer.echo(f"{separator}{text}")


async def gather(cluster: ClusterSession, name: str) -> TaskFacts:
    """Everything that the cluster knows of the task. Raises CliError where there is none."""
    task = await cluster.task(name)
    attempts = await attempts_of(cluster.kube, cluster.namespace, name)
    job = await _job(cluster, task.status.job_name or name)
    uids = [task.uid, *(item["metadata"]["uid"] for item in [*([job] if job else []), *(a.pod for a in attempts)])]
    return TaskFacts(
        task=task,
        job=job,
        attempts=tuple(attempts),
        events=tuple(await _events(cluster, uids)),
        log_lines=tuple(await _last_lines(cluster, task, attempts)),
        now=utc_now(),
    )


async def _job(cluster: ClusterSession, name: str) -> JsonObject | None:
    try:
        return await cluster.kube.get(JOBS, name, cluster.namespace)
    except NotFoundError:
        return None


async def _events(cluster: ClusterSession, uids: list[str]) -> list[JsonObject]:
    events: list[JsonObject] = []
    for uid in uids:
        selector = f"involvedObject.uid={uid}"
        events += (await cluster.kube.list(EVENTS, cluster.namespace, field_selector=selector)).items
    return events


async def _last_lines(cluster: ClusterSession, task: McpTask, attempts: list[Attempt]) -> list[str]:
    if task.status.log is not None:
        with suppress(ValueError):
            return log_text(task.status.log).splitlines()[-LOG_LINES:]
    if runs_in_worker(task):
        pod = str(task.status.pod_name)
        return (await lines_in_worker(cluster.kube, cluster.namespace, task.name, task.status.attempts or 1, pod))[
            -LOG_LINES:
        ]
    if not attempts:
        return []
    printed = [line async for line in log_of(cluster.kube, cluster.namespace, attempts[-1], tail=LOG_LINES)]
    return lines_of("\n".join(printed))[-LOG_LINES:]
