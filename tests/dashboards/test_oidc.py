"""Signing in at a provider of identities, from the first click to the session."""

from collections.abc import Iterator

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

pytest.importorskip("streamlit")
pytest.importorskip("authlib")

from tests.dashboards.provider import CLIENT, SECRET, Provider, provider
from tests.dashboards.served import Console, console

ROLES = [
    {"group": "auditors", "role": "compliance"},
    {"email": "jane@example.com", "role": "finance"},
    {"subject": "s-9", "role": "viewer", "customer": "bolt"},
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Console, Provider]]:
    with pytest.MonkeyPatch.context() as patch, provider() as idp:
        patch.setenv("OUR_CLIENT_SECRET", SECRET)
        patch.setenv("NO_PROXY", "127.0.0.1")
        oidc = {"issuer": idp.url, "client_id": CLIENT, "client_secret_env": "OUR_CLIENT_SECRET", "roles": ROLES}
        with console(tmp_path_factory.mktemp("oidc"), {"console": {"oidc": oidc}}, first="") as made:
            yield made, idp


def sign_in(house: Console, browser: httpx.Client) -> httpx.Response:
    """Click, be sent to the provider, and come back."""
    asked = browser.get("/signin/oidc")
    assert asked.status_code == 303, asked.text
    back = httpx.get(asked.headers["location"], trust_env=False, timeout=60)
    assert back.headers["location"].startswith(f"{house.url}/oauth2callback?")
    return browser.get(back.headers["location"])


@pytest.mark.parametrize(
    ("claims", "name", "role", "customer"),
    [
        ({"sub": "s-1", "groups": ["staff", "auditors"], "preferred_username": "ann"}, "ann", "compliance", ""),
        ({"sub": "s-2", "email": "Jane@Example.com", "email_verified": True}, "Jane@Example.com", "finance", ""),
        ({"sub": "s-9", "name": "Tom of Bolt"}, "Tom of Bolt", "viewer", "bolt"),
    ],
)
def test_whoever_has_a_role_is_let_in(
    house: tuple[Console, Provider], claims: dict[str, object], name: str, role: str, customer: str
) -> None:
    made, idp = house
    idp.claims = claims
    with made.browser() as browser:
        told = sign_in(made, browser)
        assert (told.status_code, told.headers["location"]) == (303, "/")
        assert browser.get("/").status_code == 200
        assert not [cookie for cookie in browser.cookies if "_user" in cookie]
    person = made.register.meant(name)[0].person
    assert (person.role, person.customer, person.tenant) == (role, customer, "default")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"sub": "s-3", "groups": ["staff"], "preferred_username": "bob"}, "bob has no role here"),
        ({"sub": "s-4", "email": "jane@example.com", "email_verified": False}, "has no role here"),
        ({"sub": "s-5", "email": "jane@example.com"}, "has no role here"),
        ({"sub": "s-6", "groups": "auditors-not"}, "has no role here"),
        ({"sub": "s-7", "groups": ["auditors"], "preferred_username": "local"}, "cannot be the name"),
    ],
)
def test_whoever_has_none_is_told_so(house: tuple[Console, Provider], claims: dict[str, object], why: str) -> None:
    made, idp = house
    idp.claims = claims
    with made.browser() as browser:
        told = sign_in(made, browser)
        assert told.status_code == 403
        assert why in told.text
        assert browser.get("/").status_code == 303


@pytest.mark.parametrize(
    "wrong", [{"aud": "another"}, {"iss": "http://evil.example"}, {"nonce": "another"}, {"exp": 1_700_000_001}, {}]
)
def test_a_token_that_is_not_for_us_lets_nobody_in(house: tuple[Console, Provider], wrong: dict[str, object]) -> None:
    made, idp = house
    idp.claims = {"sub": "s-1", "groups": ["auditors"], **wrong}
    idp.signing = None if wrong else rsa.generate_private_key(65537, 2048)
    with made.browser() as browser:
        told = sign_in(made, browser)
        assert told.status_code == 403
        assert "did not vouch for you" in told.text
        assert browser.get("/").status_code == 303
    idp.signing = None


def test_an_answer_nobody_asked_for_lets_nobody_in(house: tuple[Console, Provider]) -> None:
    made, idp = house
    idp.claims = {"sub": "s-1", "groups": ["auditors"]}
    with made.browser() as victim, made.browser() as attacker:
        asked = attacker.get("/signin/oidc")
        back = httpx.get(asked.headers["location"], trust_env=False, timeout=60).headers["location"]
        assert victim.get(back).status_code == 403
        assert attacker.get(back).status_code == 303
        assert attacker.get(back).status_code == 403


def test_this_machine_signs_in_like_everybody(house: tuple[Console, Provider]) -> None:
    with house[0].browser() as browser:
        told = browser.get("/", follow_redirects=True)
    assert "Sign in with your organisation" in told.text


def test_sign_in_begins_at_the_name_the_provider_sends_browsers_back_to(house: tuple[Console, Provider]) -> None:
    made, _ = house
    with httpx.Client(base_url=made.url.replace("127.0.0.1", "localhost"), trust_env=False, timeout=60) as browser:
        assert browser.get("/signin/oidc").headers["location"] == f"{made.url}/signin/oidc"
