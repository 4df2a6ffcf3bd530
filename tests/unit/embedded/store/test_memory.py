"""Versions, history and indexes of the store."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.references import GroupResource, Ref

MAPS = GroupResource("", "configmaps")


def obj(name: str, uid: str = "", owners: list[str] | None = None, **more: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": "ns", "uid": uid or f"uid-{name}"}
    if owners:
        metadata["ownerReferences"] = [{"uid": owner} for owner in owners]
    return {"metadata": metadata, **more}


def ref(name: str, namespace: str = "ns") -> Ref:
    return Ref(MAPS, namespace, name)


def test_versions_grow_with_every_write() -> None:
    store = ObjectStore()
    first = store.put(ref("a"), obj("a"))
    second = store.put(ref("b"), obj("b"))
    gone = store.remove(ref("a"))
    assert gone is not None
    assert first.rv < second.rv < gone.rv == store.rv
    assert gone.obj["metadata"]["resourceVersion"] == str(gone.rv)
    assert store.get(ref("a")) is None


def test_stored_objects_are_never_changed_in_place() -> None:
    store = ObjectStore()
    before = store.put(ref("a"), obj("a", data=1)).obj
    store.put(ref("a"), obj("a", data=2))
    assert before["data"] == 1


def test_watch_replays_what_came_after() -> None:
    store = ObjectStore()
    start = store.rv
    first = store.put(ref("a"), obj("a"))
    store.put(ref("a"), obj("a", x=1))
    store.remove(ref("a"))
    assert [change.type for change in store.watch(MAPS, since=start).take()] == ["ADDED", "MODIFIED", "DELETED"]
    assert [change.type for change in store.watch(MAPS, since=first.rv).take()] == ["MODIFIED", "DELETED"]
    assert store.watch(MAPS).take() == []


def test_watch_of_one_namespace() -> None:
    store = ObjectStore()
    watch = store.watch(MAPS, "other")
    store.put(ref("a"), obj("a"))
    store.put(ref("a", "other"), obj("a", "uid-other"))
    assert [change.entry.ref.namespace for change in watch.take()] == ["other"]


def test_old_versions_expire() -> None:
    store = ObjectStore(history_limit=2)
    versions = [store.put(ref("a"), obj("a", x=index)).rv for index in range(4)]
    with pytest.raises(ApiError) as refusal:
        store.watch(MAPS, since=versions[0])
    assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
    assert len(store.watch(MAPS, since=versions[1]).take()) == 2


def test_compaction_expires_everything_before() -> None:
    store = ObjectStore()
    version = store.put(ref("a"), obj("a")).rv
    store.put(ref("a"), obj("a", x=1))
    store.compact()
    with pytest.raises(ApiError):
        store.watch(MAPS, since=version)
    assert store.watch(MAPS, since=store.rv).take() == []


def test_closed_watches_get_nothing() -> None:
    store = ObjectStore()
    watch = store.watch(MAPS)
    watch.close()
    store.put(ref("a"), obj("a"))
    assert watch.take() == []


def test_dependents_are_indexed() -> None:
    store = ObjectStore()
    store.put(ref("a"), obj("a", owners=["x", "y"]))
    store.put(ref("b"), obj("b", owners=["x"]))
    assert {entry.ref.name for entry in store.owned_by("x")} == {"a", "b"}
    store.put(ref("a"), obj("a", owners=["y"]))
    assert {entry.ref.name for entry in store.owned_by("x")} == {"b"}
    store.remove(ref("b"))
    assert store.owned_by("x") == []
    found = store.find_uid("uid-a")
    assert found is not None
    assert found.ref == ref("a")
    store.remove(ref("a"))
    assert store.find_uid("uid-a") is None


def test_a_new_store_is_ahead_of_an_older_one() -> None:
    """A client that comes back to a restarted cluster must not take its old version for a current one."""
    assert ObjectStore().rv > 1_700_000_000


def test_lists_are_sorted() -> None:
    store = ObjectStore()
    for name in ("c", "a", "b"):
        store.put(ref(name), obj(name))
    assert [entry.ref.name for entry in store.sorted_entries(MAPS, "ns")] == ["a", "b", "c"]


@pytest.mark.anyio
async def test_waiting_ends_with_the_timeout() -> None:
    assert await ObjectStore().watch(MAPS).wait(0.01) == []
