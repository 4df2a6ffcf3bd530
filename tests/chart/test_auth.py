"""Who may call: the chart's values for authentication."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.server.auth.authentication import Authentication
from mcptasks.settings import PREFIX, Settings
from tests.chart.helm import CHART, Rendered, container, environment, notes, refusal, render
from tests.chart.parts import server

ISSUER: dict[str, Any] = {
    "issuer": "https://login.example.com",
    "audience": ["https://tools.example.com/mcp"],
    "jwksUrl": "https://login.example.com/keys",
}
TOKENS: dict[str, Any] = {"tokens": {"existingSecret": "callers"}}
METADATA = "/.well-known/oauth-protected-resource"


def with_auth(**auth: Any) -> JsonObject:
    return {"server": {"auth": auth}}


def variables(rendered: Rendered) -> dict[str, str | None]:
    """The server's variables for authentication, without their prefix."""
    prefix = f"{PREFIX}AUTH_"
    return {
        name.removeprefix(prefix): value
        for name, value in environment(server(rendered)).items()
        if name.startswith(prefix)
    }


def test_is_off_by_default() -> None:
    assert variables(render()) == {}


def test_settings_of_an_issuer_reach_the_server() -> None:
    auth = {**ISSUER, "audience": ["a", "b"], "requiredScopes": ["read", "write"], "resourceUrl": "https://t/mcp"}
    assert variables(render(with_auth(**auth, subjectClaim="email"))) == {
        "ISSUER": "https://login.example.com",
        "AUDIENCE": "a,b",
        "JWKS_URL": "https://login.example.com/keys",
        "REQUIRED_SCOPES": "read,write",
        "RESOURCE_URL": "https://t/mcp",
        "SUBJECT_CLAIM": "email",
    }


def test_the_server_starts_with_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in variables(render(with_auth(**ISSUER, requiredScopes=["x"], **TOKENS))).items():
        assert value is not None
        monkeypatch.setenv(f"{PREFIX}AUTH_{name}", value)
    (tmp_path / "alice").write_text("0123456789abcdef")
    settings = Settings().model_copy(update={"auth_tokens": tmp_path})
    authentication = Authentication.from_settings(settings)
    assert authentication is not None
    assert str(authentication.sdk.resource_server_url) == "https://tools.example.com/mcp"
    assert authentication.sdk.required_scopes == ["x"]


def test_handed_out_tokens_are_mounted_from_the_existing_secret_as_a_folder() -> None:
    rendered = render(with_auth(**TOKENS))
    path = variables(rendered)["TOKENS"]
    mount = next(one for one in container(server(rendered))["volumeMounts"] if one["mountPath"] == path)
    # A subPath would not follow changes of the Secret.
    assert mount == {"name": "tokens", "mountPath": path, "readOnly": True}
    volumes = server(rendered)["spec"]["template"]["spec"]["volumes"]
    assert {"name": "tokens", "secret": {"secretName": "callers"}} in volumes
    assert rendered.all("Secret") == []


def test_tokens_reach_no_task_pod() -> None:
    rendered = render(with_auth(**ISSUER, **TOKENS))
    assert "callers" not in str(rendered.all("McpTaskTemplate"))
    assert "AUTH_" not in str(rendered.all("McpTaskTemplate"))


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"issuer": "https://login.example.com"}, "set server.auth.audience and server.auth.jwksUrl too"),
        ({"audience": ["a"]}, "set server.auth.issuer too"),
        ({"jwksUrl": "https://login.example.com/keys"}, "set server.auth.issuer too"),
        ({"requiredScopes": ["a"]}, "set server.auth.issuer or server.auth.tokens.existingSecret too"),
        ({"issuer": "login.example.com"}, "/server/auth/issuer"),
        ({"audience": "tools"}, "/server/auth/audience"),
        ({"token": "secret"}, "additional properties 'token' not allowed"),
    ],
)
def test_values_that_mean_nothing_are_named(auth: dict[str, Any], message: str) -> None:
    assert message in refusal(with_auth(**auth))


def test_settings_are_not_set_past_the_values() -> None:
    assert "additional properties 'AUTH_ISSUER' not allowed" in refusal({"settings": {"AUTH_ISSUER": "https://x"}})


@pytest.mark.parametrize(("auth", "exposed"), [({}, False), (TOKENS, False), (ISSUER, True)])
def test_clients_find_the_issuer_through_ingress_and_route(auth: dict[str, Any], exposed: bool) -> None:
    rendered = render(
        with_auth(**auth)
        | {
            "ingress": {"enabled": True, "hosts": ["tools.example.com"]},
            "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["tools.example.com"]},
        }
    )
    wanted = {"/mcp"} | ({METADATA} if exposed else set())
    paths = rendered.find("Ingress", "mcptasks")["spec"]["rules"][0]["http"]["paths"]
    assert {one["path"] for one in paths} == wanted
    assert {one["backend"]["service"]["name"] for one in paths} == {"mcptasks"}
    matches = rendered.find("HTTPRoute", "mcptasks")["spec"]["rules"][0]["matches"]
    assert {one["path"]["value"] for one in matches} == wanted


class TestHelmTest:
    def pods(self, values: JsonObject) -> dict[str, JsonObject]:
        found = {item["metadata"]["name"]: item["spec"]["containers"][0] for item in render(values).all("Pod")}
        return {name.removeprefix("mcptasks-test-"): first for name, first in found.items()}

    def test_calls_no_tools_without_a_token(self) -> None:
        assert set(self.pods(with_auth(**TOKENS))) == {"health"}

    def test_calls_them_with_the_token_of_a_secret(self) -> None:
        token = {"existingSecret": "callers", "existingSecretKey": "helm"}
        pods = self.pods(with_auth(**TOKENS) | {"tests": {"token": token}})
        assert set(pods) == {"health", "completes", "cancelled"}
        wanted = {
            "name": "MCPTASKS_TOKEN",
            "valueFrom": {"secretKeyRef": {"name": "callers", "key": "helm"}},
        }
        assert [wanted in pods[name]["env"] for name in ("health", "completes", "cancelled")] == [False, True, True]
        assert "MCPTASKS_TOKEN" in (CHART / "files" / "tests" / "tool_call.py").read_text()


class TestNotes:
    def test_warn_where_there_is_none(self) -> None:
        assert "no authentication: whoever reaches it" in notes()
        assert "unless your program has a verifier" in notes("--set=server.module=/app/server.py")

    def test_say_how_to_call_with_a_token(self) -> None:
        said = notes("--set=server.auth.tokens.existingSecret=callers")
        assert "no authentication" not in said
        assert 'http://127.0.0.1:8000/mcp --header "Authorization: Bearer $TOKEN"' in said
        assert "set tests.token.existingSecret" in said

    def test_name_the_issuer(self) -> None:
        values = [f"--set=server.auth.{name}={value}" for name, value in {**ISSUER, "audience": "{tools}"}.items()]
        said = notes(*values)
        assert "no authentication" not in said
        assert "a token of https://login.example.com" in said
