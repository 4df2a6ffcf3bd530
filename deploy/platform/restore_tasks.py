#!/usr/bin/env python3
"""Puts tasks back that have ended, with their results, from what kubectl has saved:

    kubectl get mcptasks --all-namespaces -o json > tasks.json
    python3 restore_tasks.py tasks.json > renames.txt

Needs Python 3.11 and kubectl, and the rights of an administrator. Tasks that had not ended are left out, as nobody
knows whether their tools have run; so are those that are there. A result in Redis has its task's uid in its key, and
the task has a new one: `renames.txt` has commands for redis-cli. docs/platform/backup.md says what else there is to a
restore.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

Task: TypeAlias = dict[str, Any]
"""An McpTask as kubectl prints it."""

Name: TypeAlias = tuple[str, str]
"""Namespace and name."""

RESTORED = "mcptasks.dev/restored"

_REF = re.compile(r"(?P<before>.*:(?:result|log):[^:]+:)(?P<uid>[^:]+)(?P<after>:[0-9]+)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description="Puts tasks back that have ended.")
    parser.add_argument("saved", type=Path, help="what `kubectl get mcptasks --all-namespaces -o json` has printed")
    parser.add_argument("--server-account", help="ServiceAccount of the servers, which may say who has called")
    options = parser.parse_args()
    saved: list[Task] = json.loads(options.saved.read_text())["items"]
    ended = [task for task in saved if has_ended(task)]
    there = {name_of(task) for task in tasks_there()}
    missing = [task for task in ended if name_of(task) not in there]
    for namespace, tasks in by_namespace(missing):
        account = options.server_account
        user = [f"--as=system:serviceaccount:{namespace}:{account}"] if account else []
        kubectl("create", "-f", "-", *user, items=[without_status(task) for task in tasks])
    new_uids = {name_of(task): task["metadata"]["uid"] for task in tasks_there()}
    kubectl(
        "replace",
        "--subresource=status",
        "-f",
        "-",
        items=[restored(task, new_uids[name_of(task)]) for task in missing],
    )
    for line in renames(missing, new_uids):
        print(line)
    left_out = f"not ended: {len(saved) - len(ended)}; there already: {len(ended) - len(missing)}"
    print(f"{len(missing)} tasks are back; {left_out}", file=sys.stderr)


def has_ended(task: Task) -> bool:
    """Whether the task's phase was terminal when it was saved."""
    return (task.get("status") or {}).get("phase") in ("completed", "failed", "cancelled")


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
    """Commands of Redis that give results and logs the keys of the new uids."""
    for task in tasks:
        for ref in refs(task["status"]):
            yield f"RENAME {ref} {_with_uid(ref, new_uids[name_of(task)])}"


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
