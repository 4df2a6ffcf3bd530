"""Who a request comes from."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest
from starlette.requests import HTTPConnection

from mcptasks.dashboard.dashboard_process import sign_in_of, watched_namespaces
from mcptasks.dashboard.rights import Viewer
from mcptasks.dashboard.seals import Seals
from mcptasks.dashboard.sign_in import ProxySignIn, SignInError, TokenSignIn, client_of, networks
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.reviews import KubeUser
from mcptasks.settings import Settings
from tests.unit.dashboard.page_site import DictionaryCluster, user_of_token

PROXY = ProxySignIn(networks(["10.0.3.0/24", "::1"]), "X-Forwarded-User", "X-Forwarded-Groups")


def request_from(peer: str, *headers: tuple[str, str]) -> HTTPConnection:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return HTTPConnection({"type": "http", "client": (peer, 1234), "headers": raw})


def proxied(peer: str, *headers: tuple[str, str]) -> KubeUser | None:
    viewer = asyncio.run(PROXY.viewer(request_from(peer, *headers)))
    return None if viewer is None else viewer.user


ANN = ("X-Forwarded-User", "ann")


@pytest.mark.parametrize("peer", ["10.0.3.7", "::1", "::ffff:10.0.3.7"])
def test_a_trusted_proxy_names_the_user_and_groups(peer: str) -> None:
    user = proxied(peer, ANN, ("X-Forwarded-Groups", "dev, ops"))
    assert user == KubeUser("ann", ("dev", "ops", "system:authenticated"))


@pytest.mark.parametrize("peer", ["10.0.4.7", "127.0.0.1", "", "testclient"])
def test_nobody_else_names_anybody(peer: str) -> None:
    assert proxied(peer, ANN) is None


def test_what_a_proxy_is_said_to_forward_for_is_not_its_address() -> None:
    assert proxied("10.0.9.9", ANN, ("X-Forwarded-For", "10.0.3.7")) is None


@pytest.mark.parametrize("name", ["system:admin", "system:serviceaccount:kube-system:x", "", "  "])
def test_a_proxy_does_not_name_parts_of_the_cluster(name: str) -> None:
    assert proxied("10.0.3.7", ("X-Forwarded-User", name)) is None


def test_a_proxy_does_not_put_anybody_into_groups_of_the_cluster() -> None:
    user = proxied("10.0.3.7", ANN, ("X-Forwarded-Groups", "system:masters,dev"))
    assert user is not None
    assert user.groups == ("dev", "system:authenticated")


def test_two_names_are_nobodys() -> None:
    assert proxied("10.0.3.7", ANN, ("X-Forwarded-User", "bob")) is None


def test_groups_beside_those_of_the_proxy_are_nobodys() -> None:
    assert proxied("10.0.3.7", ANN, ("X-Forwarded-Groups", "admins"), ("X-Forwarded-Groups", "dev")) is None


def token_viewer(seals: Seals, *headers: tuple[str, str]) -> KubeUser | None:
    viewer = asyncio.run(TokenSignIn(user_of_token, seals).viewer(request_from("10.9.9.9", *headers)))
    return None if viewer is None else viewer.user


def test_a_token_signs_in_as_a_header_and_as_a_sealed_cookie() -> None:
    seals = Seals()
    assert token_viewer(seals, ("Authorization", "Bearer of-ann")) == KubeUser("ann")
    assert token_viewer(seals, ("Cookie", f"mcptasks-token={seals.sealed('of-ann')}")) == KubeUser("ann")


def test_a_cookie_that_was_not_sealed_here_is_nobodys() -> None:
    assert token_viewer(Seals(), ("Cookie", f"mcptasks-token={Seals().sealed('of-ann')}")) is None
    assert token_viewer(Seals(), ("Cookie", "mcptasks-token=of-ann")) is None


@pytest.mark.parametrize("token", ["bad", "of-\n", "of-ä", "of-" + "x" * 9000])
def test_a_token_that_is_none_is_nobodys(token: str) -> None:
    found = TokenSignIn(user_of_token, Seals())
    assert asyncio.run(found.user_of(token, "10.0.0.9")) is None


def test_a_token_is_reviewed_again_after_a_minute() -> None:
    async def ask() -> None:
        now, valid = [0.0], [True]

        async def review(token: str) -> KubeUser | None:
            return KubeUser("ann") if valid[0] else None

        found = TokenSignIn(review, Seals(), clock=lambda: now[0])
        assert await found.user_of("t", "10.0.0.9") == KubeUser("ann")
        valid[0] = False
        assert await found.user_of("t", "10.0.0.9") == KubeUser("ann")
        now[0] = 61.0
        assert await found.user_of("t", "10.0.0.9") is None

    asyncio.run(ask())


def sign_in(**settings: object) -> object:
    return sign_in_of(Settings(**settings), cast(KubeClient, DictionaryCluster()), Seals())  # type: ignore[arg-type]


def test_without_asking_it_is_on_loopback_only() -> None:
    sign_in(dashboard_auth="none")
    with pytest.raises(SignInError, match="loopback"):
        sign_in(dashboard_auth="none", dashboard_host="0.0.0.0")


def test_a_proxy_has_to_be_named() -> None:
    with pytest.raises(SignInError, match="TRUSTED_PROXIES"):
        sign_in(dashboard_auth="proxy")
    with pytest.raises(SignInError, match=r"10\.0\.3\.0/24"):
        sign_in(dashboard_auth="proxy", dashboard_trusted_proxies="10.0.3.1/24")


def test_which_namespaces_are_shown() -> None:
    assert watched_namespaces(Settings(), "own") == ("own",)
    assert watched_namespaces(Settings(namespace="team"), "own") == ("team",)
    assert watched_namespaces(Settings(watch_namespaces=["a", "b", "a"]), "own") == ("a", "b")
    assert watched_namespaces(Settings(watch_namespaces=["*"]), "own") is None


def test_tokens_that_are_not_valid_are_asked_about_so_often_and_no_known_viewer_is_held_up() -> None:
    asked: list[str] = []
    now = [0.0]

    async def review(token: str) -> KubeUser | None:
        asked.append(token)
        return await user_of_token(token)

    async def run() -> None:
        found = TokenSignIn(review, Seals(), clock=lambda: now[0], wait_seconds=0.01)
        assert await found.user_of("of-ann", "10.0.0.9") == KubeUser("ann")
        for number in range(10):
            assert await found.user_of(f"bad-{number}", "10.0.0.9") is None
        with pytest.raises(UnavailableError, match="too many tokens"):
            await found.user_of("bad", "10.0.0.9")
        assert len(asked) == 1 + 10
        assert await found.user_of("of-bob", "10.0.0.10") == KubeUser("bob")
        now[0] = 61
        assert await found.user_of("of-ann", "10.0.0.9") == KubeUser("ann")

    asyncio.run(run())


@dataclass
class ReviewsOnHold:
    """Reviews that end when they are let, and the tokens that were asked about."""

    let: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, token: str) -> KubeUser | None:
        self.asked.append(token)
        await self.let.wait()
        return await user_of_token(token)


def test_many_good_tokens_at_once_from_one_address_are_all_let_in() -> None:
    async def run() -> None:
        reviews = ReviewsOnHold()
        found = TokenSignIn(reviews, Seals(), clock=lambda: 0.0)
        users = [asyncio.create_task(found.user_of(f"of-{number}", "10.0.0.9")) for number in range(30)]
        await asyncio.sleep(0.01)
        assert len(reviews.asked) == 8
        reviews.let.set()
        assert await asyncio.gather(*users) == [KubeUser(str(number)) for number in range(30)]

    asyncio.run(run())


def test_a_token_is_reviewed_once_for_all_who_send_it_meanwhile() -> None:
    async def run() -> None:
        reviews = ReviewsOnHold()
        found = TokenSignIn(reviews, Seals())
        first = asyncio.create_task(found.user_of("of-ann", "10.0.0.9"))
        others = [asyncio.create_task(found.user_of("of-ann", "10.0.0.9")) for _ in range(30)]
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0.01)
        reviews.let.set()
        assert await asyncio.gather(*others) == [KubeUser("ann")] * 30
        assert reviews.asked == ["of-ann"]

    asyncio.run(run())


def test_a_new_token_waits_until_bad_ones_from_its_address_leave_room() -> None:
    async def run() -> None:
        now = [0.0]
        found = TokenSignIn(user_of_token, Seals(), clock=lambda: now[0])
        for number in range(10):
            await found.user_of(f"bad-{number}", "10.0.0.9")
        waiting = asyncio.create_task(found.user_of("of-bob", "10.0.0.9"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        now[0] = 0.3
        assert await waiting == KubeUser("bob")

    asyncio.run(run())


def test_no_more_bad_tokens_are_reviewed_at_once_than_a_burst_may_have() -> None:
    async def run() -> None:
        reviews = ReviewsOnHold()
        reviews.let.set()
        found = TokenSignIn(reviews, Seals(), clock=lambda: 0.0, wait_seconds=0.1)
        tokens = (found.user_of(f"bad-{number}", "10.0.0.9") for number in range(300))
        answers = await asyncio.gather(*tokens, return_exceptions=True)
        assert len(reviews.asked) == 10
        assert sum(isinstance(answer, UnavailableError) for answer in answers) == 290

    asyncio.run(run())


def test_a_cookie_that_was_sealed_here_is_held_up_by_nobodys_bad_tokens() -> None:
    async def run() -> None:
        seals = Seals()
        found = TokenSignIn(user_of_token, seals, clock=lambda: 0.0, wait_seconds=0.01)
        for number in range(10):
            await found.user_of(f"bad-{number}", "10.9.9.9")
        cookie = ("Cookie", f"mcptasks-token={seals.sealed('of-ann')}")
        assert await found.viewer(request_from("10.9.9.9", cookie)) == Viewer(KubeUser("ann"))
        with pytest.raises(UnavailableError, match="too many tokens"):
            await found.viewer(request_from("10.9.9.9", ("Authorization", "Bearer of-bob")))
        stale = ("Cookie", f"mcptasks-token={seals.sealed('stale')}")
        for _ in range(10):
            assert await found.viewer(request_from("10.9.9.9", stale)) is None
        with pytest.raises(UnavailableError, match="too many tokens"):
            await found.viewer(request_from("10.9.9.9", stale))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.3.7", "192.0.2.1", "192.0.2.1"),
        ("10.0.3.7", "198.51.100.9, 192.0.2.1, 10.0.3.8", "192.0.2.1"),
        ("10.0.3.7", "unknown", "10.0.3.7"),
        ("10.0.9.9", "192.0.2.1", "10.0.9.9"),
    ],
)
def test_a_trusted_proxy_says_from_which_address_a_token_comes(peer: str, forwarded: str, client: str) -> None:
    assert client_of(request_from(peer, ("X-Forwarded-For", forwarded)), PROXY.trusted) == client


def test_bad_tokens_of_one_client_of_a_trusted_proxy_take_nothing_from_another() -> None:
    async def run() -> None:
        found = TokenSignIn(user_of_token, Seals(), PROXY.trusted, clock=lambda: 0.0, wait_seconds=0.01)

        async def viewer(token: str, client: str) -> Viewer | None:
            said = ("X-Forwarded-For", client), ("Authorization", f"Bearer {token}")
            return await found.viewer(request_from("10.0.3.7", *said))

        for number in range(10):
            await viewer(f"bad-{number}", "192.0.2.1")
        assert await viewer("of-ann", "192.0.2.2") == Viewer(KubeUser("ann"))
        with pytest.raises(UnavailableError, match="too many tokens"):
            await viewer("of-bob", "192.0.2.1")

    asyncio.run(run())
