"""Through a real gateway: a customer needs no key for a link, the office works by itself, and all else needs a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.gateway.api import process
from comptroller.gateway.gate import Gate
from comptroller.gateway.keys import KeyRing
from comptroller.gateway.server import background
from comptroller.office import keys
from comptroller.office.keys import OUTCOMES, READ, WRITE, Key
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.run import Run

TYPE = """
outcome: loan.decided
means: A loan was decided.
checks: [{id: decided, by: cel, when: has(evidence.decision)}]
attest: [{by: customer}]
"""


@contextmanager
def served(place: Path) -> Iterator[tuple[str, str, str]]:
    """A gateway with keys, the secret of one with rights, and a claim."""
    (place / "loan.yaml").write_text(TYPE)
    chosen = {"outcomes": [str(place / "loan.yaml")]}
    with Desk.open(place / "ledger", chosen) as desk:
        with Run("loans", customer="acme", desk=desk) as run, run.agent("clerk"):
            claim = run.claim("loan.decided", subject="app-1", evidence={"decision": "yes"})
        _, secret = keys.issue(desk.ledger, desk.clock, Key("", scopes=frozenset((READ, WRITE, OUTCOMES))))
        ring = KeyRing(place / "ledger", desk.ledger.digest, desk.clock)
        with process.started(desk.settings), background(Gate.of(desk, ring)) as url:
            yield url, secret, claim


def test_a_customer_answers_by_a_link_and_nobody_else_gets_in_without_a_key(tmp_path: Path) -> None:
    with served(tmp_path) as (url, secret, claim), httpx.Client(base_url=url, trust_env=False, timeout=60) as browser:
        key = {"authorization": f"Bearer {secret}"}
        one = f"/api/outcomes/{claim}"
        assert browser.get(one).status_code == 401
        assert browser.post(f"{one}/link", json={}).status_code == 401
        path = browser.post(f"{one}/link", json={}, headers=key).json()["path"]
        page = browser.get(path)
        assert page.status_code == 200
        assert "A loan was decided." in page.text
        assert page.headers["cache-control"] == "no-store"
        assert browser.post(path, data={"answer": "confirm"}).status_code == 200
        assert browser.post(path, data={"answer": "reject"}).status_code == 409
        told = browser.get(one, headers=key).json()
        assert (told["state"], told["attestor"]) == ("verified", "customer acme")
        assert browser.post(f"/api/callback/{claim}/decided", content=b"{}").status_code == 404
