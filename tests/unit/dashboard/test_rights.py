"""Who may do what: the same questions that kubectl's requests would lead to, remembered for half a minute."""

from __future__ import annotations

import asyncio

import pytest

from mcptasks.dashboard.rights import REMEMBERED_SECONDS, Right, Rights, Viewer
from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.reviews import AccessRequest, KubeUser
from tests.unit.dashboard.page_site import GivenRights

ANN = Viewer(KubeUser("ann", ("dev",)))

TABLE = [
    (Right.LIST_TASKS, "list", "mcptasks.dev", "mcptasks", None),
    (Right.READ_TASK, "get", "mcptasks.dev", "mcptasks", None),
    (Right.CALL, "create", "mcptasks.dev", "mcptasks", None),
    (Right.CANCEL, "patch", "mcptasks.dev", "mcptasks", None),
    (Right.ANSWER, "patch", "mcptasks.dev", "mcptasks", "status"),
    (Right.READ_LOG, "get", "", "pods", "log"),
    (Right.READ_PODS, "list", "", "pods", None),
    (Right.READ_EVENTS, "list", "", "events", None),
    (Right.READ_TEMPLATES, "list", "mcptasks.dev", "mcptasktemplates", None),
]


def test_the_table_names_every_right() -> None:
    assert {row[0] for row in TABLE} == set(Right)


@pytest.mark.parametrize(("right", "verb", "group", "resource", "subresource"), TABLE)
def test_each_right_is_the_one_that_kubectl_needs(
    right: Right, verb: str, group: str, resource: str, subresource: str | None
) -> None:
    expected = {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": "team"}
    assert right.request("team").attributes() == {key: value for key, value in expected.items() if value}


async def has(rights: Rights, right: Right, namespace: str = "team") -> bool:
    return await rights.has(ANN, right, namespace)


def test_a_right_in_one_namespace_is_none_in_another() -> None:
    async def ask() -> None:
        reviews = GivenRights({("ann", Right.READ_TASK, "team")})
        rights = Rights(reviews)
        assert await has(rights, Right.READ_TASK)
        assert not await has(rights, Right.READ_TASK, "others")
        assert not await has(rights, Right.CANCEL)
        assert await rights.all_of(ANN, "team") == {Right.READ_TASK}
        assert await rights.namespaces(ANN, Right.READ_TASK, ["team", "others"]) == {"team"}

    asyncio.run(ask())


def test_whoever_may_see_all_namespaces_is_asked_about_once() -> None:
    async def ask() -> None:
        class Everywhere(GivenRights):
            async def __call__(self, user: KubeUser, wanted: AccessRequest) -> bool:
                self.asked.append(wanted)
                return wanted.namespace is None

        reviews = Everywhere()
        many = [f"n{number}" for number in range(50)]
        assert await Rights(reviews).namespaces(ANN, Right.LIST_TASKS, many) == set(many)
        assert len(reviews.asked) == 1

    asyncio.run(ask())


def test_a_right_that_was_taken_away_ends_within_half_a_minute() -> None:
    async def ask() -> None:
        now = [0.0]
        reviews = GivenRights({("ann", Right.CANCEL, "team")})
        rights = Rights(reviews, clock=lambda: now[0])
        assert await has(rights, Right.CANCEL)
        reviews.given.clear()
        assert await has(rights, Right.CANCEL)
        now[0] = REMEMBERED_SECONDS
        assert not await has(rights, Right.CANCEL)

    asyncio.run(ask())


def test_the_same_question_at_the_same_time_is_asked_once() -> None:
    async def ask() -> None:
        reviews = GivenRights({("ann", Right.CANCEL, "team")})
        rights = Rights(reviews)
        assert all(await asyncio.gather(*(has(rights, Right.CANCEL) for _ in range(100))))
        assert len(reviews.asked) == 1

    asyncio.run(ask())


def test_a_question_that_could_not_be_answered_is_asked_again() -> None:
    async def ask() -> None:
        class OnceAway(GivenRights):
            async def __call__(self, user: KubeUser, wanted: AccessRequest) -> bool:
                if not self.asked:
                    self.asked.append(wanted)
                    raise UnavailableError(0, "", "nobody answers")
                return True

        rights = Rights(OnceAway())
        with pytest.raises(UnavailableError):
            await has(rights, Right.CANCEL)
        assert await has(rights, Right.CANCEL)

    asyncio.run(ask())


def test_where_nobody_is_asked_who_they_are_everything_is_allowed() -> None:
    assert asyncio.run(Rights(GivenRights()).all_of(Viewer(), "team")) == set(Right)
