"""Which Host and Origin headers the settings allow."""

from __future__ import annotations

import pytest

from mcptasks.server.allowed_sources import AllowedSources, AllowedSourcesError
from mcptasks.settings import Settings


def allowed(hosts: str = "", origins: str = "") -> AllowedSources:
    return AllowedSources.from_settings(Settings(allowed_hosts=hosts, allowed_origins=origins))


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("*.example.com", "a.example.com"),
        ("*.example.com", "a.example.com:8443"),
        ("*.example.com", "A.Example.COM"),
        ("*.example.com", "a.example.com."),
        ("*.Example.com.", "a.example.com"),
        ("*.example.com:8443", "a.example.com:8443"),
        ("**.example.com", "a.example.com"),
        ("**.example.com", "C.b.a.Example.com.:8443"),
        ("**.example.com:8443", "b.a.example.com:8443"),
        ("mcp.example.com", "MCP.EXAMPLE.COM:443"),
        ("MCP.example.com", "mcp.example.com"),
        ("mcp.example.com.", "mcp.example.com"),
        ("mcp.example.com", "mcp.example.com.:80"),
        ("mcp:8000", "mcp:8000"),
        ("mcp:*", "mcp:8000"),
        ("mcp.example.com:443", "mcp.example.com"),
        ("my_service", "my_service:8000"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("[fd00::1]", "[FD00:0::1]:8000"),
        ("fd00::1", "[fd00::1]:8000"),
        ("[fd00::1]:8000", "[fd00::1]:8000"),
        ("10.0.0.1", "10.0.0.1:8000"),
        ("*", "what.ever"),
        ("", "localhost:8000"),
        ("", "127.0.0.1"),
        ("", "[::1]:8000"),
        ("", "LOCALHOST"),
    ],
)
def test_a_host_is_served(pattern: str, host: str) -> None:
    assert allowed(pattern).serves(host)


@pytest.mark.parametrize(
    ("address", "host", "served"),
    [
        ("192.168.1.5", "192.168.1.5:8000", True),
        ("127.0.0.2", "127.0.0.2:8000", True),
        ("fd00::1", "[fd00::1]:8000", True),
        ("Tools.local", "tools.local:8000", True),
        ("192.168.1.5", "192.168.1.6:8000", False),
        ("192.168.1.5", "evil.example", False),
        ("0.0.0.0", "0.0.0.0:8000", False),
        ("::", "[::]:8000", False),
        ("*.example.com", "a.example.com", False),
        ("fe80::1%eth0", "[fe80::1%eth0]:8000", False),
        ("", "evil.example", False),
    ],
)
def test_the_address_that_a_server_listens_on_is_its_host(address: str, host: str, served: bool) -> None:
    sources = AllowedSources.from_settings(Settings(), address)
    assert sources.serves(host) is served
    assert sources.serves("localhost:8000")


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("*.example.com", "example.com"),
        ("*.example.com", ".example.com"),
        ("*.example.com", "b.a.example.com"),
        ("*.example.com", "aexample.com"),
        ("*.example.com", "a.example.com.evil.example"),
        ("*.example.com", "*.example.com"),
        ("*.example.com:8443", "a.example.com:8000"),
        ("*.example.com", "a.example.com.example.com"),
        ("**.example.com", "example.com"),
        ("**.example.com", ".example.com"),
        ("**.example.com", "b.aexample.com"),
        ("**.example.com", "a.example.com.evil.example"),
        ("**.example.com:8443", "b.a.example.com:8000"),
        ("mcp:8000", "mcp:8001"),
        ("mcp:8000", "mcp"),
        ("mcp.example.com", "a.mcp.example.com"),
        ("mcp.example.com", "mcp.example.com:evil"),
        ("mcp.example.com", "mcp.example.com:80:80"),
        ("mcp.example.com", "mcp.example.com@evil.example"),
        ("fd00::1", "[fd00::2]"),
        ("fd00::1", "fd00::1:80:x"),
        ("mcp.example.com", ""),
        ("", "evil.example"),
    ],
)
def test_another_host_is_not(pattern: str, host: str) -> None:
    assert not allowed(pattern).serves(host)
    assert not allowed(pattern).serves(None)


@pytest.mark.parametrize(
    ("pattern", "origin"),
    [
        ("https://chat.example.com", "https://chat.example.com"),
        ("https://Chat.example.com/", "https://chat.example.com"),
        ("https://chat.example.com:443", "https://chat.example.com"),
        ("https://chat.example.com", "https://chat.example.com:443"),
        ("https://chat.example.com:*", "https://chat.example.com:8443"),
        ("https://*.example.com", "https://a.example.com"),
        ("https://*.example.com:*", "https://a.example.com:8443"),
        ("https://**.example.com", "https://b.a.example.com"),
        ("http://[fd00::1]:3000", "http://[fd00::1]:3000"),
        ("vscode-webview://abc", "vscode-webview://abc"),
        ("null", "null"),
        ("*", "https://any.example"),
        ("*", "null"),
        ("", "http://localhost:6274"),
        ("", "http://127.0.0.1:6274"),
        ("", "http://[::1]:6274"),
    ],
)
def test_pages_of_an_origin_may_read(pattern: str, origin: str) -> None:
    assert allowed(origins=pattern).shares_with(origin)
    assert allowed(origins=pattern).accepts(origin)


@pytest.mark.parametrize(
    ("pattern", "origin"),
    [
        ("https://chat.example.com", "http://chat.example.com"),
        ("https://chat.example.com", "https://chat.example.com:8443"),
        ("https://chat.example.com", "https://chat.example.com.evil.example"),
        ("https://*.example.com", "https://example.com"),
        ("https://*.example.com", "https://b.a.example.com"),
        ("https://**.example.com", "https://example.com"),
        ("https://*.example.com", "https://a.example.com:8443"),
        ("https://chat.example.com", "null"),
        ("https://chat.example.com", "https://chat.example.com/path"),
        ("https://chat.example.com", "chat.example.com"),
    ],
)
def test_pages_of_another_origin_may_not(pattern: str, origin: str) -> None:
    assert not allowed(origins=pattern).shares_with(origin)
    assert not allowed(origins=pattern).accepts(origin)


def test_pages_of_the_servers_own_hosts_are_answered_and_no_others_may_read() -> None:
    sources = allowed("*.example.com,mcp:8000")
    for origin in ("https://a.example.com", "http://a.example.com:8080", "http://mcp:8000"):
        assert sources.accepts(origin)
        assert not sources.shares_with(origin)
    assert not sources.accepts("http://mcp")
    assert not sources.accepts("ftp://a.example.com")


@pytest.mark.parametrize("origin", ["https://any.example", "http://evil.example:8000", "null", "file://"])
def test_that_all_hosts_are_served_says_nothing_about_origins(origin: str) -> None:
    sources = allowed("*")
    assert sources.serves("evil.example:8000")
    assert not sources.accepts(origin)
    assert not sources.shares_with(origin)
    assert sources.accepts(None)
    assert sources.accepts("http://localhost:6274")
    assert allowed("*,tools.example").accepts("https://tools.example")
    assert allowed("*", "https://any.example").accepts("https://any.example")


@pytest.mark.parametrize(
    ("hosts", "origins", "named"),
    [
        ("", "", []),
        ("tools.example", "https://chat.example", []),
        ("*", "", ["ALLOWED_HOSTS=*"]),
        ("", "*", ["ALLOWED_ORIGINS=*"]),
        ("*", "*", ["ALLOWED_HOSTS=*", "ALLOWED_ORIGINS=*"]),
    ],
)
def test_what_switches_a_check_off_is_a_risk(hosts: str, origins: str, named: list[str]) -> None:
    risks = allowed(hosts, origins).risks
    assert len(risks) == len(named)
    assert all(name in risk for name, risk in zip(named, risks, strict=True))


@pytest.mark.parametrize(
    "pattern",
    [
        "a.*.example.com",
        "*example.com",
        "*.*.example.com",
        "*.",
        "*.10.0.0.1",
        "**.10.0.0.1",
        "**example.com",
        "***.example.com",
        "**.*.example.com",
        "https://x.example",
        "x/y",
        "a b",
        "-a",
        "x:",
    ],
)
def test_a_host_that_could_match_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(AllowedSourcesError, match=r"MCPTASKS_ALLOWED_HOSTS: .* is not a host: give"):
        allowed(pattern)


@pytest.mark.parametrize(
    "pattern", ["chat.example.com", "https://", "https://chat.example.com/path", "https://a.*.com"]
)
def test_an_origin_that_could_match_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(AllowedSourcesError, match="MCPTASKS_ALLOWED_ORIGINS: "):
        allowed(origins=pattern)


def test_a_host_longer_than_any_name_is_none() -> None:
    sources = allowed("*.example.com", "https://*.example.com")
    for name, known in (("a" * 240, True), ("a" * 300, False), ("é." * 30_000, False)):
        assert sources.serves(f"{name}.example.com") is known
        assert sources.accepts(f"https://{name}.example.com") is known


@pytest.mark.parametrize(
    "origin", ["file://", "app://.", "app://-", "vscode-webview://1x2y", "chrome-extension://abcdef"]
)
def test_origins_that_are_not_web_pages_are_taken_as_they_stand(origin: str) -> None:
    sources = allowed(origins=f"{origin},null")
    assert sources.accepts(origin)
    assert sources.shares_with(origin)
    assert sources.accepts("null")
    for other in (f"{origin}x", "https://evil.example", "file://evil", "app://evil"):
        assert not sources.accepts(other)


@pytest.mark.parametrize(
    "origin", ["http://", "https://.", "file:", "file", "app://a b", "app://*.*", "app://x/y", "://"]
)
def test_what_can_be_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(AllowedSourcesError, match="ALLOWED_ORIGINS"):
        allowed(origins=origin)
