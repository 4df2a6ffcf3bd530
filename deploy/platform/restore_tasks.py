#!/usr/bin/env python3
"""Puts tasks back that have ended, with their results, from what kubectl has saved:

    kubectl get mcptasks --all-namespaces -o json > tasks.json
    python3 restore_tasks.py tasks.json --server-account mcptasks-server > renames.txt

Needs Python 3.11 and kubectl, and the rights of an administrator. The account is that of the servers, which alone say
who has called: where it has another name in some namespace, save and restore that namespace by itself. Tasks that had
not ended are left out, as nobody knows whether their tools have run; so are those that are there. A result in Redis has
its task's uid in its key, and the task has a new one: `renames.txt` has commands for redis-cli. After an error it is
run again: it goes on with the tasks that it has created without a status, and prints the commands for all that it has
ever put back. docs/platform/backup.md says what else there is to a restore.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

Task: TypeAlias = dict[str, Any]
"""An McpTask as kubectl prints it."""

Name: TypeAlias = tuple[str, str]
"""Namespace and name."""

RESTORED = "mcptasks.dev/restored"

NAME_AND_UID = 'jsonpath={.metadata.name} {.metadata.uid}{"\\n"}'
"""What kubectl prints of each object that it creates."""

AT_A_TIME = 200
"""Tasks that are created before they get their statuses: without one, a task ends as `Restored` after two minutes."""

_REF = re.compile(r"(?P<before>.*:(?:result|log):[^:]+:)(?P<uid>[^:]+)(?P<after>:[0-9]+)", re.DOTALL)


@dataclass(frozen=True)
class Plan:
    """What is left to do for the saved tasks that had ended."""

    to_delete: list[Task]
    """Those of the cluster that an earlier run created, and that have ended as `Restored` without their statuses."""
    to_create: list[Task]
    """Saved ones that the cluster does not have, or not after the deletions."""
    to_complete: list[Task]
    """Saved ones that an earlier run created, and that wait for their statuses."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Puts tasks back that have ended.")
    parser.add_argument("saved", type=Path, help="what `kubectl get mcptasks --all-namespaces -o json` has printed")
    parser.add_argument("--server-account", help="ServiceAccount of the servers, which may say who has called")
    options = parser.parse_args()
    saved: list[Task] = json.loads(options.saved.read_text())["items"]
    ended = [task for task in saved if has_ended(task)]
    there = tasks_there()
    plan = plan_of(ended, there)
    kubectl("delete", "-f", "-", items=plan.to_delete)
    put_back(plan.to_complete, uids_of(there))
    for tasks in batches(plan.to_create):
        put_back(tasks, create(tasks, options.server_account))
    for line in renames(ended, uids_of(task for task in tasks_there() if is_marked(task))):
        print(line)
    back = len(plan.to_create) + len(plan.to_complete)
    print(
        f"{back} tasks are back; not ended: {len(saved) - len(ended)}; there already: {len(ended) - back}",
        file=sys.stderr,
    )


def plan_of(ended: list[Task], there: list[Task]) -> Plan:
    """What is to be done for saved tasks that had ended, given those of the cluster."""
    halfway = {name_of(task): task for task in there if is_marked(task)}
    waiting = {name for name, task in halfway.items() if not status_of(task).get("phase")}
    given_up = {name for name, task in halfway.items() if status_of(task).get("reason") == "Restored"}
    left = {name_of(task): task for task in ended if status_of(task).get("reason") != "Restored"}
    kept = {name_of(task) for task in there} - (given_up & left.keys())
    return Plan(
        to_delete=[halfway[name] for name in left if name in given_up],
        to_create=[task for task in ended if name_of(task) not in kept],
        to_complete=[task for task in ended if name_of(task) in waiting],
    )


def create(tasks: list[Task], account: str | None) -> dict[Name, str]:
    """The uids of the tasks, created without statuses, as the server's account of each one's namespace."""
    uids: dict[Name, str] = {}
    for namespace, group in by_namespace(tasks):
        user = [f"--as=system:serviceaccount:{namespace}:{account}"] if account else []
        items = [without_status(task) for task in group]
        for line in kubectl("create", "-f", "-", "-o", NAME_AND_UID, *user, items=items).splitlines():
            name, uid = line.split()
            uids[namespace, name] = uid
    return uids


def put_back(tasks: list[Task], uids: dict[Name, str]) -> None:
    """Write the statuses of tasks that are there."""
    items = [restored(task, uids[name_of(task)]) for task in tasks]
    kubectl("replace", "--subresource=status", "-f", "-", items=items)


def batches(tasks: list[Task]) -> Iterator[list[Task]]:
    """The tasks, a number at a time."""
    rest = iter(tasks)
    while batch := list(islice(rest, AT_A_TIME)):
        yield batch


def is_marked(task: Task) -> bool:
    """Whether this program has created the task, or a back-up tool that marks what it restores."""
    return (task["metadata"].get("annotations") or {}).get(RESTORED) == "true"


def status_of(task: Task) -> dict[str, Any]:
    return task.get("status") or {}


def uids_of(tasks: Iterable[Task]) -> dict[Name, str]:
    """The uid of each task."""
    return {name_of(task): task["metadata"]["uid"] for task in tasks}


def has_ended(task: Task) -> bool:
    """Whether the task's phase was terminal when it was saved."""
    return status_of(task).get("phase") in ("completed", "failed", "cancelled")


def name_of(task: Task) -> Name:
    return task["metadata"]["namespace"], task["metadata"]["name"]


def by_namespace(tasks: Iterable[Task]) -> Iterator[tuple[str, list[Task]]]:
    """The tasks of each namespace."""
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault(task["metadata"]["namespace"], []).append(task)
    yield from groups.items()


def without_status(task: Task) -> Task:
    """What is created: nothing that the API server sets, and a mark so that nothing runs before its status comes."""
    metadata = {key: value for key, value in task["metadata"].items() if key in ("name", "namespace", "labels")}
    metadata["annotations"] = {**(task["metadata"].get("annotations") or {}), RESTORED: "true"}
    return {"apiVersion": task["apiVersion"], "kind": task["kind"], "metadata": metadata, "spec": task["spec"]}


def restored(task: Task, uid: str) -> Task:
    """The task with its status, whose references lead to what belongs to the new uid."""
    return without_status(task) | {"status": with_uid(task["status"], uid)}


def with_uid(value: Any, uid: str) -> Any:
    """A status in which each reference into Redis has this uid."""
    if isinstance(value, dict):
        return {key: _with_uid(item, uid) if key == "ref" else with_uid(item, uid) for key, item in value.items()}
    return [with_uid(item, uid) for item in value] if isinstance(value, list) else value


def _with_uid(ref: str, uid: str) -> str:
    return _REF.sub(rf"\g<before>{uid}\g<after>", ref)


def renames(tasks: Iterable[Task], new_uids: dict[Name, str]) -> Iterator[str]:
    """Commands of Redis that give results and logs the keys of the new uids, where tasks have them."""
    for task in tasks:
        uid = new_uids.get(name_of(task), task["metadata"]["uid"])
        for ref in refs(task["status"]):
            if _with_uid(ref, uid) != ref:
                yield f"RENAME {ref} {_with_uid(ref, uid)}"


def refs(value: Any) -> Iterator[str]:
    """The references into Redis in a status."""
    if isinstance(value, list):
        for item in value:
            yield from refs(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from [item] if key == "ref" else refs(item)


def tasks_there() -> list[Task]:
    """The tasks that the cluster has."""
    found: list[Task] = json.loads(kubectl("get", "mcptasks", "--all-namespaces", "-o", "json"))["items"]
    return found


def kubectl(*arguments: str, items: list[Task] | None = None) -> str:
    """What kubectl prints; with `items`, they are what it reads, and nothing is done where there are none."""
    if items == []:
        return ""
    text = None if items is None else json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    done = subprocess.run(["kubectl", *arguments], input=text, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(
            f"kubectl {' '.join(arguments)} ended with {done.returncode}: what is said above keeps it from going on"
        )
    return done.stdout


if __name__ == "__main__":
    main()
