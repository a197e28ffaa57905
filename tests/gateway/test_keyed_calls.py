"""Keys at a gateway's door: what they pay for, how their budgets last, and how soon they end."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.clock import SYSTEM
from comptroller.gateway.gate import Gate
from comptroller.gateway.keys import KeyRing
from comptroller.office import keys
from comptroller.office.follower import Follower
from comptroller.office.keys import Entry, Key, Register
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk

pytest.importorskip("uvicorn")
ASKED = {"model": "gpt-4o-mini", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


class Gateway:
    """A gateway on a ledger of files, and somebody who gives out keys for it."""

    def __init__(self, desk: Desk, url: str) -> None:
        self.desk, self.url = desk, url

    def issue(self, **fixed: Any) -> tuple[Key, str]:
        return keys.issue(self.desk.ledger, SYSTEM, Key("", **fixed))

    def entry(self, key: Key) -> Entry:
        return Register().fold(Follower(Path(self.desk.settings.ledger), keys.KINDS).read()).entries[key.id]

    def ask(self, secret: str, **headers: str) -> tuple[int, Any]:
        said = {"x-api-key": secret, "content-type": "application/json"}
        said |= {f"comptroller-{name}": value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(ASKED).encode(), said)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    from comptroller.gateway.server import background

    monkeypatch.setattr("comptroller.gateway.keys.EVERY_NS", 0)  # looks for new keys with every request
    with Upstream("Hello.") as up:
        config = {"upstreams": [{"name": "up", "format": "openai", "url": f"{up.url}/v1"}]}
        with Desk.open(tmp_path / "ledger", config) as desk:
            ring = KeyRing(tmp_path / "ledger", desk.ledger.digest)
            with background(Gate.of(desk, ring)) as url:
                yield Gateway(desk, url)


def test_a_key_given_out_beside_a_running_gateway_works_at_once(gateway: Gateway) -> None:
    assert gateway.ask("")[0] == 200  # no key was given out yet: this machine is trusted
    _, secret = gateway.issue()
    assert gateway.ask(secret)[0] == 200
    assert gateway.ask("")[0] == 401


def test_a_revoked_key_is_refused(gateway: Gateway) -> None:
    key, secret = gateway.issue()
    assert gateway.ask(secret)[0] == 200
    keys.revoke(gateway.desk.ledger, SYSTEM, gateway.entry(key))
    status, body = gateway.ask(secret)
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert secret not in json.dumps(body)


def test_what_a_key_fixes_no_header_changes(gateway: Gateway) -> None:
    _, secret = gateway.issue(customer="acme", agent="bot")
    assert gateway.ask(secret, customer="globex")[0] == 403
    assert gateway.ask(secret, customer="acme", user="ada")[0] == 200


def test_a_keys_budget_holds_over_all_its_runs_and_lasts_through_a_rotation(gateway: Gateway) -> None:
    key, old = gateway.issue(budgets=(keys.read_budget("3 calls"),))
    assert [gateway.ask(old, run=run)[0] for run in ("a", "b")] == [200, 200]
    new, _ = keys.rotate(gateway.desk.ledger, SYSTEM, gateway.entry(key), 3_600_000_000_000)
    assert [gateway.ask(secret, run="c")[0] for secret in (new, new, old)] == [200, 402, 402]


def test_one_keys_budget_is_not_anothers(gateway: Gateway) -> None:
    secrets = [gateway.issue(budgets=(keys.read_budget("1 calls"),))[1] for _ in range(2)]
    assert [gateway.ask(secret)[0] for secret in (*secrets, *secrets)] == [200, 200, 402, 402]


def test_two_tenants_may_choose_the_same_name_for_a_run_and_never_meet(gateway: Gateway) -> None:
    own, other = (gateway.issue(tenant=tenant)[1] for tenant in (gateway.desk.settings.tenant, "globex"))
    for secret in (own, other, own, other):
        assert gateway.ask(secret, run="nightly")[0] == 200
    assert gateway.ask(other, run="globex~nightly")[0] == 200  # as it is told back
    assert gateway.ask(own, run="globex~nightly")[0] == 400  # nobody else can write it
    facts = Follower(Path(gateway.desk.settings.ledger), "run.opened").read()
    assert sorted((fact.data["tenant"], fact.run) for fact in facts) == [
        ("default", "nightly"),
        ("globex", "globex~nightly"),
    ]
