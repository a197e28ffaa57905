"""Who asks: what the key fixes stays fixed, what headers add is added."""

from typing import Any

import httpx
import pytest

from comptroller.core.verdict import Cap
from comptroller.gateway.asked import Asked
from comptroller.gateway.caller import Caller, NoKeys, caller_of
from comptroller.gateway.stop import Stop
from comptroller.office.keys import Key
from comptroller.testing.script import Say, Use
from tests.gateway.house import FewKeys, house

ACME = Key("key_1", "default", agent="clerk", customer="acme", scopes=frozenset({"read"}))
RING = FewKeys(acme=ACME, wide=Key("key_2", "default"))


def asked(**headers: str) -> Asked:
    raw = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return Asked("POST", "/v1/chat/completions", "/v1/chat/completions", "", raw, dict(raw))


def caller(ring: Any = RING, **headers: str) -> Caller:
    return caller_of(asked(**headers), ring, "default")


@pytest.mark.parametrize("header", ["x_api_key", "api_key", "x_goog_api_key"])
def test_a_key_is_found_wherever_providers_keys_are_sent(header: str) -> None:
    assert caller(**{header: "ck_acme"}).key is ACME
    assert caller(authorization="bearer ck_acme").key is ACME


def test_our_key_counts_where_several_are_sent() -> None:
    assert caller(authorization="Bearer sk-else", x_api_key="ck_acme").key is ACME


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sk-1"}, {"x_api_key": "ck_nobody"}])
def test_without_a_known_key_nobody_passes_where_there_are_keys(headers: dict[str, str]) -> None:
    with pytest.raises(Stop) as stopped:
        caller(**headers)
    assert stopped.value.status == 401


def test_what_the_key_fixes_is_the_identity() -> None:
    who = caller(x_api_key="ck_acme").identity
    assert (who.tenant, who.customer, who.agent, who.key) == ("default", "acme", "clerk", "key_1")
    assert who.scopes == {"read"}


def test_headers_fill_what_the_key_leaves_open() -> None:
    who = caller(x_api_key="ck_acme", comptroller_workflow="loans", comptroller_user="ada").identity
    assert (who.workflow, who.user, who.customer) == ("loans", "ada", "acme")


def test_saying_what_the_key_says_is_no_conflict() -> None:
    assert caller(x_api_key="ck_acme", comptroller_customer="acme").conflict is None


@pytest.mark.parametrize("name", ["customer", "agent"])
def test_a_header_never_replaces_what_the_key_fixes(name: str) -> None:
    found = caller(x_api_key="ck_acme", **{f"comptroller_{name}": "other"})
    assert found.conflict is not None
    assert (found.identity.customer, found.identity.agent) == ("acme", "clerk")


def test_baggage_says_the_same_with_less_weight_than_headers() -> None:
    found = caller(
        x_api_key="ck_wide",
        baggage="a=b,comptroller.customer=globex%20inc;p=1, comptroller-run=r7,comptroller.user=x",
        comptroller_user="ada",
    )
    assert (found.identity.customer, found.identity.user) == ("globex inc", "ada")
    assert found.said == {"run": "r7"}


@pytest.mark.parametrize(
    ("name", "text"), [("run", "a b"), ("run", "x" * 129), ("parent", "é"), ("customer", "a\tb"), ("agent", "x" * 257)]
)
def test_names_that_could_not_be_kept_are_400(name: str, text: str) -> None:
    with pytest.raises(Stop) as stopped:
        caller(x_api_key="ck_wide", **{f"comptroller_{name}": text})
    assert stopped.value.status == 400


def test_a_key_for_one_run_is_for_that_run() -> None:
    ring = FewKeys(one=Key("key_3", run="r1"))
    assert caller(ring, x_api_key="ck_one").said == {"run": "r1"}
    assert caller(ring, x_api_key="ck_one", comptroller_run="r2").conflict is not None


def test_a_revoked_key_is_nobody_at_once() -> None:
    ring = FewKeys(brief=Key("key_4"))
    caller(ring, x_api_key="ck_brief")
    ring._keys.clear()
    with pytest.raises(Stop):
        caller(ring, x_api_key="ck_brief")


def test_without_keys_the_caller_is_the_tenant_of_the_settings() -> None:
    assert caller(NoKeys(), host="localhost:4141", authorization="Bearer sk-own").identity.tenant == "default"


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "[::1]:4141", "app.localhost:80"])
def test_names_of_this_machine_are_served_without_a_key(host: str) -> None:
    assert caller(NoKeys(), host=host).conflict is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "[::1", "10.0.0.1"])
def test_other_names_are_not(host: str) -> None:
    with pytest.raises(Stop) as stopped:
        caller(NoKeys(), host=host)
    assert stopped.value.status == 403


# -- the same through the door


def test_a_conflict_is_403_in_the_providers_shape_and_on_record() -> None:
    with house("x", keys=RING) as at:
        reply = at.post(headers={"x-api-key": "ck_acme", "comptroller-customer": "globex"})
        assert (reply.status_code, reply.json()["error"]["rule"]) == (403, "identity")
        assert reply.headers["x-should-retry"] == "false"
        assert (at.last["status"], at.last["customer"], at.last["key"]) == ("denied", "acme", "key_1")
        assert at.up.requests == []


def test_each_refusal_of_a_standing_conflict_names_its_own_call() -> None:
    with house("x", keys=RING) as at:
        asked = [at.post(headers={"x-api-key": "ck_acme", "comptroller-agent": "x"}) for _ in range(2)]
        assert [reply.json()["error"]["call"] for reply in asked] == [r.headers["comptroller-call"] for r in asked]
        assert asked[0].headers["comptroller-call"] != asked[1].headers["comptroller-call"]


def test_a_comptroller_key_never_reaches_the_upstream_and_the_providers_key_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOUSE_KEY", "sk-house")
    upstreams = [
        {"name": "o", "format": "openai", "url": "{up}/v1", "key_env": "HOUSE_KEY"},
        {"name": "a", "format": "anthropic", "url": "{up}", "key_env": "HOUSE_KEY"},
    ]
    with house("x", keys=RING, upstreams=upstreams) as at:
        body = {"model": "m", "messages": [], "max_tokens": 9}
        for path in ("/v1/chat/completions", "/v1/messages"):
            at.post(path, body, headers={"authorization": "Bearer ck_wide", "x-api-key": "ck_wide"})
        first, second = (request.headers for request in at.up.requests)
        assert first["authorization"] == "Bearer sk-house"
        assert "x-api-key" not in first
        assert second["x-api-key"] == "sk-house"
        assert "authorization" not in second


def test_the_budget_of_a_key_holds_in_every_run() -> None:
    cap = Cap("key", "key_5", "", "UTC", "calls", 2, "deny", "the key")
    with house("x", keys=FewKeys(few=Key("key_5", budgets=(cap,)))) as at:
        asked = [at.post(headers={"x-api-key": "ck_few", "comptroller-run": f"r{n}"}) for n in range(3)]
        assert [reply.status_code for reply in asked] == [200, 200, 402]
        assert asked[2].json()["error"]["scope"] == "key:key_5"


def test_scopes_of_a_key_bind_the_tools_a_model_asks_for() -> None:
    policy = """
policy: p
tools:
  pay: {effect: write, args: {amount: double}}
rules:
  - {id: payers, on: tool, tool: pay, when: '!("pay" in scopes)', then: deny, because: Payers only.}
"""
    with house(Say(calls=[Use("pay", {"amount": 1.0})]), policy, keys=RING) as at:
        reply = at.post(headers={"x-api-key": "ck_acme"}).json()["choices"][0]["message"]
        assert "Payers only." in reply["content"]


def test_unknown_keys_get_401_with_what_to_do() -> None:
    with house("x", keys=RING) as at:
        reply: httpx.Response = at.post("/v1/messages", headers={"x-api-key": "ck_nope"})
        assert reply.status_code == 401
        assert "comptroller keys issue" in reply.json()["error"]["message"]
        assert at.get("/v1/models").status_code == 401
        assert at.calls == []
