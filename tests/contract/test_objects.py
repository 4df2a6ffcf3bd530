"""Create, read, update, delete: what every API server does alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.cleanup import Space
from tests.contract.client import JSON_PATCH, STRATEGIC, Api
from tests.contract.conftest import Widgets
from tests.support.polling import eventually


def test_create_completes_metadata(api: Api, widgets: Widgets) -> None:
    made = api.post(widgets.path(), widgets.body("a")).ok(201)
    metadata = made["metadata"]
    assert metadata["generation"] == 1
    assert metadata["namespace"] == widgets.space.name
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0
    assert made["spec"] == {"size": 1, "color": "red", "frozen": ""}


def test_create_ignores_status(api: Api, widgets: Widgets) -> None:
    body = {**widgets.body("a"), "status": {"phase": "Done"}}
    assert "status" not in api.post(widgets.path(), body).ok(201)


def test_generate_name(api: Api, widgets: Widgets) -> None:
    body = widgets.body("")
    body["metadata"] = {"generateName": "some-"}
    name = api.post(widgets.path(), body).ok(201)["metadata"]["name"]
    assert name.startswith("some-")
    assert len(name) == len("some-") + 5


def test_create_twice(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    reply = api.post(widgets.path(), widgets.body("a"))
    assert (reply.code, reply.reason) == (409, "AlreadyExists")
    assert reply.message == f'widgets.{widgets.group} "a" already exists'
    assert reply.body["details"] == {"name": "a", "group": widgets.group, "kind": "widgets"}


def test_missing_object(api: Api, widgets: Widgets) -> None:
    reply = api.get(widgets.path("nope"))
    assert (reply.code, reply.reason) == (404, "NotFound")
    assert reply.message == f'widgets.{widgets.group} "nope" not found'


def test_missing_namespace(api: Api) -> None:
    reply = api.post("/api/v1/namespaces/contract-none/configmaps", {"metadata": {"name": "a"}})
    assert (reply.code, reply.message) == (404, 'namespaces "contract-none" not found')


def test_unknown_resource(api: Api) -> None:
    reply = api.get("/apis/batch/v1/nonsense")
    assert reply.code == 404


@pytest.mark.parametrize("name", ["", "Upper", "under_score", "-dash"])
def test_bad_names(api: Api, space: Space, name: str) -> None:
    reply = api.post(space.path("configmaps"), {"metadata": {"name": name}})
    assert (reply.code, reply.reason) == (422, "Invalid")
    assert reply.causes[0][0] == "metadata.name"


def test_names_must_agree(api: Api, widgets: Widgets) -> None:
    made = api.post(widgets.path(), widgets.body("a")).ok(201)
    reply = api.put(widgets.path("b"), made)
    assert reply.code == 400
    assert "the name of the object (a) does not match the name on the URL (b)" in reply.message
    elsewhere = {**widgets.body("c"), "metadata": {"name": "c", "namespace": "elsewhere"}}
    reply = api.post(widgets.path(), elsewhere)
    assert reply.code == 400
    assert "does not match the namespace" in reply.message


def test_put_with_stale_version(api: Api, widgets: Widgets) -> None:
    made = api.post(widgets.path(), widgets.body("a")).ok(201)
    api.patch(widgets.path("a"), {"spec": {"size": 2}}).ok()
    reply = api.put(widgets.path("a"), made)
    assert (reply.code, reply.reason) == (409, "Conflict")
    assert reply.message == (
        f'Operation cannot be fulfilled on widgets.{widgets.group} "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_put_of_a_custom_resource_needs_a_version(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    reply = api.put(widgets.path("a"), widgets.body("a", {"size": 3}))
    assert (reply.code, reply.causes) == (422, [("metadata.resourceVersion", "FieldValueInvalid")])


def test_put_with_foreign_uid(api: Api, widgets: Widgets) -> None:
    made = api.post(widgets.path(), widgets.body("a")).ok(201)
    made["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    assert api.put(widgets.path("a"), made).code == 409


def test_unchanged_write_keeps_the_version(api: Api, widgets: Widgets) -> None:
    made = api.post(widgets.path(), widgets.body("a")).ok(201)
    version = made["metadata"]["resourceVersion"]
    assert api.patch(widgets.path("a"), {"spec": {"size": 1}}).ok()["metadata"]["resourceVersion"] == version
    assert api.put(widgets.path("a"), made).ok()["metadata"]["resourceVersion"] == version
    changed = api.patch(widgets.path("a"), {"metadata": {"labels": {"a": "b"}}}).ok()
    assert changed["metadata"]["resourceVersion"] != version


def test_generation_counts_spec_only(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)

    def generation(**change: object) -> int:
        return int(api.patch(widgets.path("a"), change).ok()["metadata"]["generation"])

    assert generation(metadata={"labels": {"a": "b"}}) == 1
    assert generation(spec={"size": 2}) == 2
    status = api.patch(widgets.path("a", "status"), {"status": {"phase": "x"}}).ok()
    assert status["metadata"]["generation"] == 2


def test_status_is_separate(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    main = api.patch(widgets.path("a"), {"spec": {"size": 2}, "status": {"phase": "no"}}).ok()
    assert "status" not in main
    body = {"metadata": {"labels": {"no": "no"}}, "spec": {"size": 3}, "status": {"phase": "yes"}}
    status = api.patch(widgets.path("a", "status"), body).ok()
    assert status["spec"]["size"] == 2
    assert status["status"] == {"phase": "yes"}
    assert "labels" not in status["metadata"]
    stale = {**main, "status": {"phase": "late"}}
    assert api.put(widgets.path("a", "status"), stale).code == 409


def test_merge_patch(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a", {"size": 1, "labels": {"a": "1", "b": "2"}, "tags": ["x"]})).ok(201)
    spec = api.patch(widgets.path("a"), {"spec": {"labels": {"a": None, "c": "3"}, "tags": ["y"]}}).ok()["spec"]
    assert (spec["labels"], spec["tags"]) == ({"b": "2", "c": "3"}, ["y"])


def test_merge_patch_with_stale_version(api: Api, widgets: Widgets) -> None:
    made = api.post(widgets.path(), widgets.body("a")).ok(201)
    api.patch(widgets.path("a"), {"spec": {"size": 2}}).ok()
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"size": 3}}
    assert api.patch(widgets.path("a"), stale).code == 409


def test_json_patch(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    patch = [{"op": "test", "path": "/spec/size", "value": 1}, {"op": "replace", "path": "/spec/size", "value": 5}]
    assert api.patch(widgets.path("a"), patch, JSON_PATCH).ok()["spec"]["size"] == 5
    failed = api.patch(widgets.path("a"), patch, JSON_PATCH)
    assert (failed.code, failed.reason) == (422, "Invalid")
    missing = api.patch(widgets.path("a"), [{"op": "remove", "path": "/spec/nope"}], JSON_PATCH)
    assert missing.code == 422


def test_strategic_patch(api: Api, widgets: Widgets, space: Space) -> None:
    reply = api.patch(widgets.path("a"), {"spec": {}}, STRATEGIC)
    assert reply.code in (404, 415)
    api.post(widgets.path(), widgets.body("a")).ok(201)
    assert api.patch(widgets.path("a"), {"spec": {}}, STRATEGIC).code == 415
    api.post(space.path("configmaps"), {"metadata": {"name": "c", "finalizers": ["a.b/c"]}}).ok(201)
    patch = {"metadata": {"finalizers": ["d.e/f"], "$setElementOrder/finalizers": ["a.b/c", "d.e/f"]}}
    made = api.patch(space.path("configmaps", "c"), patch, STRATEGIC).ok()
    assert sorted(made["metadata"]["finalizers"]) == ["a.b/c", "d.e/f"]
    drop = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/c", "d.e/f"]}}
    assert "finalizers" not in api.patch(space.path("configmaps", "c"), drop, STRATEGIC).ok()["metadata"]


def test_delete(api: Api, widgets: Widgets) -> None:
    uid = api.post(widgets.path(), widgets.body("a")).ok(201)["metadata"]["uid"]
    status = api.delete(widgets.path("a")).ok()
    assert (status["kind"], status["status"], status["details"]["uid"]) == ("Status", "Success", uid)
    assert api.delete(widgets.path("a")).code == 404


def test_delete_preconditions(api: Api, widgets: Widgets) -> None:
    made = api.post(widgets.path(), widgets.body("a")).ok(201)
    reply = api.delete(widgets.path("a"), {"preconditions": {"uid": "other"}})
    assert (reply.code, reply.reason) == (409, "Conflict")
    assert reply.message == (
        f'Operation cannot be fulfilled on Widget.{widgets.group} "a": the UID in the precondition (other) does not '
        f"match the UID in record ({made['metadata']['uid']}). "
        "The object might have been deleted and then recreated"
    )
    assert api.delete(widgets.path("a"), {"preconditions": {"resourceVersion": "1"}}).code == 409
    assert api.delete(widgets.path("a"), {"preconditions": {"uid": made["metadata"]["uid"]}}).code == 200


def test_finalizers_hold_an_object(api: Api, widgets: Widgets) -> None:
    body = widgets.body("a")
    body["metadata"] = {"name": "a", "finalizers": ["contract.dev/hold"]}
    api.post(widgets.path(), body).ok(201)
    held = api.delete(widgets.path("a")).ok()
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["generation"] == 2
    again = api.delete(widgets.path("a")).ok()
    assert again["metadata"]["resourceVersion"] == held["metadata"]["resourceVersion"]
    more = api.patch(widgets.path("a"), {"metadata": {"finalizers": ["contract.dev/hold", "contract.dev/more"]}})
    assert (more.code, more.causes[0]) == (422, ("metadata.finalizers", "FieldValueForbidden"))
    api.patch(widgets.path("a"), {"metadata": {"finalizers": None}}).ok()
    assert api.get(widgets.path("a")).code == 404


def test_dry_run(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a"), dryRun="All").ok(201)
    assert api.get(widgets.path("a")).code == 404
    api.post(widgets.path(), widgets.body("a")).ok(201)
    assert api.patch(widgets.path("a"), {"spec": {"size": 7}}, dryRun="All").ok()["spec"]["size"] == 7
    api.delete(widgets.path("a"), dryRun="All").ok()
    assert api.get(widgets.path("a")).ok()["spec"]["size"] == 1


def test_delete_collection(api: Api, space: Space) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        api.post(space.path("configmaps"), {"metadata": {"name": name, "labels": {"k": label}}}).ok(201)
    api.delete(space.path("configmaps"), labelSelector="k=x").ok()
    left = api.get(space.path("configmaps"), labelSelector="k").ok()["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


def test_too_big(api: Api, space: Space) -> None:
    big = {"metadata": {"name": "a"}, "data": {"x": "y" * (3 * 1024 * 1024 + 1)}}
    reply = api.post(space.path("configmaps"), big)
    assert (reply.code, reply.reason) == (413, "RequestEntityTooLarge")
    annotated = {"metadata": {"name": "a", "annotations": {"x": "y" * 300_000}}}
    reply = api.post(space.path("configmaps"), annotated)
    assert (reply.code, reply.causes[0]) == (422, ("metadata.annotations", "FieldValueTooLong"))


def test_beyond_the_size_of_an_object(api: Api, widgets: Widgets) -> None:
    reply = api.post(widgets.path(), widgets.body("a", {"size": 1, "free": "y" * 1_700_000}))
    assert reply.code == 500
    assert reply.message == "etcdserver: request is too large"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"a":NaN}', b"nonsense"])
def test_malformed_bodies(api: Api, widgets: Widgets, body: bytes) -> None:
    assert api.post(widgets.path(), body).code == 400


def test_custom_resources_say_their_kind(api: Api, widgets: Widgets) -> None:
    reply = api.post(widgets.path(), {"metadata": {"name": "a"}, "spec": {"size": 1}})
    assert reply.code == 400
    assert "Object 'Kind' is missing in" in reply.message


def test_unsupported_media(api: Api, widgets: Widgets) -> None:
    assert api.request("POST", widgets.path(), b"x", "text/plain").code in (400, 415)
    assert api.request("PATCH", widgets.path("a"), b"{}", "application/json").code == 415


def test_numbers_are_encoded_again(api: Api, widgets: Widgets) -> None:
    text = '{"a":1.0,"b":12345678901234567890,"c":1e3,"d":0.1,"e":-0.0}'
    raw = json.dumps(widgets.body("a", {"size": 1, "free": "FREE"})).replace('"FREE"', text)
    api.post(widgets.path(), raw.encode()).ok(201)
    free = api.get(widgets.path("a")).ok()["spec"]["free"]
    assert free == {"a": 1, "b": 12345678901234567000, "c": 1000, "d": 0.1, "e": 0}
    assert isinstance(free["a"], int)


def test_free_json_keeps_null_and_unicode(api: Api, widgets: Widgets) -> None:
    free: dict[str, Any] = {"n": None, "list": [None, {"x": None}], "text": "žluť 🦊 \u0000", "empty": {}, "no": []}
    api.post(widgets.path(), widgets.body("a", {"size": 1, "free": free})).ok(201)
    assert api.get(widgets.path("a")).ok()["spec"]["free"] == free


def test_namespace_goes_with_its_content(api: Api, space: Space) -> None:
    api.post(space.path("configmaps"), {"metadata": {"name": "a"}}).ok(201)
    gone = api.delete(f"/api/v1/namespaces/{space.name}").ok()
    assert gone["status"]["phase"] == "Terminating"
    reply = api.post(space.path("configmaps"), {"metadata": {"name": "b"}})
    assert reply.code in (403, 404)
    eventually("the namespace is gone", lambda: api.get(f"/api/v1/namespaces/{space.name}").code == 404, 60)
    assert api.get(space.path("configmaps", "a")).code == 404


def test_secrets_take_plain_text(api: Api, space: Space) -> None:
    made = api.post(space.path("secrets"), {"metadata": {"name": "a"}, "stringData": {"k": "v"}}).ok(201)
    assert (made["data"], made["type"]) == ({"k": "dg=="}, "Opaque")
    assert "stringData" not in made


def test_server_side_apply(api: Api, widgets: Widgets) -> None:
    body = widgets.body("a", {"size": 1, "labels": {"a": "1"}})
    media = "application/apply-patch+yaml"
    assert api.patch(widgets.path("a"), body, media).code == 422
    api.patch(widgets.path("a"), body, media, fieldManager="one").ok(201)
    dropped = api.patch(widgets.path("a"), widgets.body("a", {"size": 1}), media, fieldManager="one").ok()
    assert "labels" not in dropped["spec"]
    reply = api.patch(widgets.path("a"), widgets.body("a", {"size": 2}), media, fieldManager="two")
    assert (reply.code, reply.reason) == (409, "Conflict")
    assert reply.message == 'Apply failed with 1 conflict: conflict with "one": .spec.size'
    forced = api.patch(widgets.path("a"), widgets.body("a", {"size": 2}), media, fieldManager="two", force="true").ok()
    assert forced["spec"]["size"] == 2
