"""Who a request comes from."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from starlette.requests import HTTPConnection

from mcptasks.dashboard.dashboard_process import sign_in_of, watched_namespaces
from mcptasks.dashboard.seals import Seals
from mcptasks.dashboard.sign_in import ProxySignIn, SignInError, TokenSignIn, networks
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
        found = TokenSignIn(review, Seals(), clock=lambda: now[0])
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
