"""`deploy/platform/restore_tasks.py` can be run again after an error: what it goes on with, and what it prints."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

RESTORE = Path(__file__).parents[3] / "deploy" / "platform" / "restore_tasks.py"


def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("restore_tasks", RESTORE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


PROGRAM: Any = program()


def saved(name: str) -> dict[str, Any]:
    return _task(name, "old", {"phase": "completed", "result": {"ref": f"mcptasks:result:team:old-{name}:1"}})


def there(name: str, status: dict[str, Any] | None = None, marked: bool = True) -> dict[str, Any]:
    task = _task(name, "new", status)
    return task | {"metadata": task["metadata"] | ({"annotations": {PROGRAM.RESTORED: "true"}} if marked else {})}


def _task(name: str, age: str, status: dict[str, Any] | None) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "team", "uid": f"{age}-{name}"}
    return {"metadata": metadata} | ({} if status is None else {"status": status})


def names(tasks: list[dict[str, Any]]) -> list[str]:
    return [task["metadata"]["name"] for task in tasks]


def test_a_task_that_is_not_there_is_created() -> None:
    plan = PROGRAM.plan_of([saved("a")], [])
    assert (names(plan.to_delete), names(plan.to_create), names(plan.to_complete)) == ([], ["a"], [])


def test_a_task_that_was_created_without_its_status_gets_it() -> None:
    plan = PROGRAM.plan_of([saved("a")], [there("a")])
    assert (names(plan.to_delete), names(plan.to_create), names(plan.to_complete)) == ([], [], ["a"])


def test_a_task_that_has_ended_as_restored_meanwhile_is_created_once_more() -> None:
    plan = PROGRAM.plan_of([saved("a")], [there("a", {"phase": "failed", "reason": "Restored"})])
    assert (names(plan.to_delete), names(plan.to_create), names(plan.to_complete)) == (["a"], ["a"], [])


def test_a_task_that_has_its_status_is_left_alone() -> None:
    plan = PROGRAM.plan_of([saved("a")], [there("a", {"phase": "completed"})])
    assert (plan.to_delete, plan.to_create, plan.to_complete) == ([], [], [])


def test_a_task_that_it_has_not_created_is_left_alone() -> None:
    plan = PROGRAM.plan_of([saved("a")], [there("a", marked=False)])
    assert (plan.to_delete, plan.to_create, plan.to_complete) == ([], [], [])


def test_a_task_that_was_saved_as_restored_is_not_deleted_again() -> None:
    ended = {"phase": "failed", "reason": "Restored"}
    plan = PROGRAM.plan_of([_task("a", "old", ended)], [there("a", ended)])
    assert (plan.to_delete, plan.to_create, plan.to_complete) == ([], [], [])


def test_results_get_the_keys_of_all_tasks_that_are_back() -> None:
    uids = PROGRAM.uids_of([there("a"), there("b")])
    assert list(PROGRAM.renames([saved("a"), saved("b")], uids)) == [
        "RENAME mcptasks:result:team:old-a:1 mcptasks:result:team:new-a:1",
        "RENAME mcptasks:result:team:old-b:1 mcptasks:result:team:new-b:1",
    ]


def test_a_result_whose_task_was_never_gone_keeps_its_key() -> None:
    assert list(PROGRAM.renames([saved("a")], {})) == []
