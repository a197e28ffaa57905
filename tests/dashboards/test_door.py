"""The door by itself: which names are ours, and what a browser may run."""

import base64
import hashlib

import pytest

pytest.importorskip("starlette")

from comptroller.dashboards.door import cookie_line, policy_of
from comptroller.dashboards.hosts import hosts_of, is_loopback
from comptroller.dashboards.signin import safe_place


@pytest.mark.parametrize("host", ["127.0.0.1:4142", "localhost:4142", "LOCALHOST:4142", "[::1]:4142"])
def test_this_machines_names_are_ours_with_our_port(host: str) -> None:
    hosts = hosts_of("127.0.0.1", 4142, "", False)
    assert hosts.knows(host)
    assert hosts.ours(f"http://{host}")
    assert not hosts.ours(f"https://{host}")
    assert not hosts.safe(host)


@pytest.mark.parametrize(
    "host", ["", "localhost", "localhost:80", "127.0.0.1:41420", "evil.example:4142", "0.0.0.0:4142"]
)
def test_no_other_name_is(host: str) -> None:
    assert not hosts_of("0.0.0.0", 4142, "", False).knows(host)


def test_behind_a_proxy_the_address_of_the_settings_is_ours_and_its_cookies_go_by_https() -> None:
    hosts = hosts_of("127.0.0.1", 4142, "https://console.example.com", False)
    assert hosts.knows("console.example.com")
    assert hosts.knows("Console.Example.com:443")
    assert hosts.ours("https://console.example.com")
    assert not hosts.ours("http://console.example.com")
    assert hosts.safe("console.example.com")
    assert not hosts.safe("127.0.0.1:4142")


def test_with_a_certificate_of_its_own_everything_goes_by_https() -> None:
    hosts = hosts_of("10.0.0.7", 443, "", True)
    assert hosts.safe("10.0.0.7")
    assert hosts.ours("https://10.0.0.7")
    assert "Secure" in cookie_line("a", "b", 1, True)


@pytest.mark.parametrize(
    ("host", "only"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_what_only_this_machine_can_reach(host: str, only: bool) -> None:
    assert is_loopback(host) is only


def test_a_page_may_run_only_the_scripts_that_streamlit_wrote_into_it() -> None:
    policy = policy_of("<html><script>one()</script><script src='x'></script>")
    digest = base64.b64encode(hashlib.sha256(b"one()").digest()).decode()
    scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert scripts.split() == ["script-src", "'self'", "blob:", f"'sha256-{digest}'"]
    assert "http" not in policy


@pytest.mark.parametrize("said", ["/", "/runs", "/run?id=a%2Fb&tab=x"])
def test_a_place_of_ours_is_kept(said: str) -> None:
    assert safe_place(said) == said


@pytest.mark.parametrize("said", ["", "runs", "//evil", "/\\evil", "https://evil", "/a\r\nset-cookie: x=y", "///evil"])
def test_a_place_elsewhere_is_not(said: str) -> None:
    assert safe_place(said) == "/"
