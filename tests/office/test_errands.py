"""Errands: receipts and letters follow from what happened, whoever does them and however often it starts anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from comptroller.core.errors import SettingsError
from comptroller.core.outcome import WHOLE, OutcomeEvent
from comptroller.core.settings import Settings
from comptroller.metering.outcome_types import load_types, write_terms
from comptroller.office import receipts
from comptroller.office.errands import ReceiptClerk, courier_of
from comptroller.office.follower import Follower
from comptroller.office.outcomes import Registry
from comptroller.office.receipts import Drawer
from comptroller.office.signing import public_of
from comptroller.policies.load import load_policies
from comptroller.store.ledger import Ledger
from comptroller.wrapper.desk import Desk
from tests.office.agreed import TYPE

TYPES = load_types([("type.yaml", TYPE)])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    hook = {"name": "crm", "url": "https://crm.test", "secret_env": "CRM_SECRET"}
    settings = Settings.model_validate({"ledger": str(tmp_path / "ledger"), "webhooks": [hook]})
    with Desk(settings, Ledger.open(settings.ledger, settings), book=load_policies([])) as made:
        yield made


def verify(registry: Registry, key: str) -> None:
    now = registry.desk.clock.now_ns()
    terms = write_terms(TYPES["refund.resolved"].terms)
    claim = {"tenant": "default", "customer": "acme", "type": "refund.resolved", "subject": key, "agents": ["ada"],
             "identity": key, "degree": WHOLE, "terms": terms}  # fmt: skip
    for name, attestor, data in (("claim", "", claim), ("verify_pass", "", {}), ("confirm", "customer", {})):
        registry.tell(OutcomeEvent(f"{key}:{name}", key, name, now, attestor=attestor, data=data))


def drawer(desk: Desk) -> Drawer:
    return Drawer().fold(Follower(Path(desk.settings.ledger), receipts.KINDS).read())


def test_a_verified_outcome_gets_its_receipt_once_whoever_starts_anew(desk: Desk) -> None:
    registry = Registry(desk, TYPES)
    clerk = ReceiptClerk(desk, registry)
    verify(registry, "o1")
    assert (clerk.work(), clerk.work()) == (1, 0)
    registry = Registry(desk, TYPES)
    registry.catch_up()
    other = ReceiptClerk(desk, registry)
    verify(registry, "o2")
    assert other.work() == 1
    found, public = drawer(desk).receipts, public_of(Path(desk.settings.ledger))
    assert public is not None
    assert set(found) == {"o1", "o2"}
    assert receipts.check(found["o1"], {public.kid: public}.get).said["customer"] == "acme"


def test_a_claim_gets_none(desk: Desk) -> None:
    registry = Registry(desk, TYPES)
    clerk = ReceiptClerk(desk, registry)
    terms = write_terms(TYPES["refund.resolved"].terms)
    registry.tell(
        OutcomeEvent("c", "o1", "claim", desk.clock.now_ns(), data={"type": "refund.resolved", "terms": terms})
    )
    assert clerk.work() == 0
    assert public_of(Path(desk.settings.ledger)) is None


def test_letters_are_owed_from_the_journal_to_the_hooks_of_the_settings(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_SECRET", "shared")
    courier = courier_of(desk)
    assert courier is not None
    courier.catch_up()
    verify(Registry(desk, TYPES), "o1")
    courier.catch_up()
    assert [owed.event for owed in courier.post.owed.values()] == [
        "outcome.claimed", "outcome.pending", "outcome.verified",
    ]  # fmt: skip


def test_a_hook_without_its_secret_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRM_SECRET", raising=False)
    with pytest.raises(SettingsError, match="CRM_SECRET is not set"):
        courier_of(desk)
